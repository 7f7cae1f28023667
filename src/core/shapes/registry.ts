/** Which rule an operator has, by domain. A new operator is an entry in its family's table. */
import { attentionRules, previewRules } from "./attention.ts";
import { classicRules, trainingRules } from "./classic.ts";
import { constantRules } from "./constants.ts";
import { controlRules } from "./control.ts";
import { convolutionRules } from "./convolution.ts";
import { elementwiseRules } from "./elementwise.ts";
import { imageRules } from "./images.ts";
import { indexingRules } from "./indexing.ts";
import { layerRules, microsoftLayerRules } from "./layers.ts";
import { matrixRules, microsoftMatrixRules } from "./matrix.ts";
import { reductionRules } from "./reduction.ts";
import { reshapingRules } from "./reshaping.ts";
import { resizingRules } from "./resizing.ts";
import type { Rule, RuleTable } from "./rule.ts";
import { sequenceRules } from "./sequences.ts";
import { signalRules } from "./signal.ts";
import { textRules } from "./text.ts";

const standard: RuleTable = {
  ...elementwiseRules,
  ...convolutionRules,
  ...matrixRules,
  ...attentionRules,
  ...reshapingRules,
  ...resizingRules,
  ...indexingRules,
  ...constantRules,
  ...reductionRules,
  ...layerRules,
  ...imageRules,
  ...signalRules,
  ...textRules,
  ...sequenceRules,
  ...controlRules,
};
/** Quantized and fused operators keep their float namesakes' rules in onnxruntime's own domain. */
const microsoft: RuleTable = { ...standard, ...microsoftMatrixRules, ...microsoftLayerRules };

const BY_DOMAIN: ReadonlyMap<string, RuleTable> = new Map([
  ["", standard],
  ["ai.onnx", standard],
  ["com.microsoft", microsoft],
  ["ai.onnx.ml", classicRules],
  ["ai.onnx.preview", previewRules],
  ["ai.onnx.preview.training", trainingRules],
]);

export function ruleFor(domain: string, op: string): Rule | undefined {
  const table = BY_DOMAIN.get(domain);
  return table && Object.hasOwn(table, op) ? table[op] : undefined;
}
