/** What validation finds in the made-up model, or in one that breaks the specification. */
import type { Validation } from "../../../src/shared/protocol.ts";

export const validation = (broken: boolean): Validation => ({
  valid: !broken,
  counts: broken ? { error: 1, type: 1, warning: 1 } : { error: 0, type: 0, warning: 0 },
  findings: broken ? FINDINGS : [],
  leftOut: 0,
});
const FINDINGS: Validation["findings"] = [
  {
    code: "missing-input",
    severity: "error",
    graph: "[]",
    inFunction: null,
    inTraining: null,
    node: "/encoder/layer.3/attention/MatMul_output_0",
    label: "/encoder/layer.3/attention/MatMul",
    op: "MatMul",
    value: "encoder.layer.3.attention.self.wieght",
    message:
      'Nothing makes the input "encoder.layer.3.attention.self.wieght": no node, initializer or graph input has that name.',
    fix: 'Did you mean "encoder.layer.3.attention.self.weight"? Otherwise add an initializer or a graph input of that name.',
  },
  {
    code: "declared",
    severity: "type",
    graph: "[]",
    inFunction: null,
    inTraining: null,
    node: null,
    label: null,
    op: null,
    value: "sentence_embedding",
    message:
      '"sentence_embedding" is declared as float32 [batch, 256], but it is float32 [batch, 384].',
    fix: "Correct the declaration of the graph output.",
  },
  {
    code: "unused-initializer",
    severity: "warning",
    graph: "[]",
    inFunction: null,
    inTraining: null,
    node: null,
    label: null,
    op: null,
    value: "encoder.layer.0.attention.self.query_key_value.bias",
    message: 'Nothing uses the initializer "encoder.layer.0.attention.self.query_key_value.bias".',
    fix: "Remove it; graph.clean does.",
  },
];
