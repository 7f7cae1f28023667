/** A document against the ONNX specification: every finding with its place and what would be right. */
import { graphKey } from "../../core/model.ts";
import { validateModel, type Finding } from "../../core/validate/index.ts";
import { hiddenNames, messageFindings, trainingFindings, trainingOf } from "../../formats/index.ts";
import type { FindingView, Params, Queries, Validation } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import { checksumFindings } from "../checksums.ts";
import type { EngineEnv } from "../env.ts";
import { clip, fitting } from "./answer.ts";

/** A name of any length may stand in a file. */
const MAX_CHARS = 1000;
const ORDER: readonly FindingView["severity"][] = ["error", "type", "warning"];

export async function validate(
  { doc, checksums = false }: Params<Queries, "validate">,
  env: EngineEnv,
  task: Task,
): Promise<Validation> {
  const { model } = await env.open(doc, task);
  const training = trainingOf(model);
  const counts = { error: 0, type: 0, warning: 0 };
  const found = [
    ...messageFindings(model),
    ...trainingFindings(model, training),
    ...validateModel(
      model,
      (path) => hiddenNames(model, path),
      training,
      (severity) => {
        counts[severity]++;
      },
    ),
    ...(checksums ? await checksumFindings(model, task) : []),
  ];
  for (const { severity } of found) counts[severity]++;
  const sorted = ORDER.flatMap((severity) => found.filter((one) => one.severity === severity));
  const findings = fitting(sorted.map(findingView));
  const total = counts.error + counts.type + counts.warning;
  return {
    valid: counts.error + counts.type === 0,
    counts,
    findings,
    leftOut: total - findings.length,
  };
}

const findingView = ({ code, severity, place, message, fix }: Finding): FindingView => ({
  code,
  severity,
  graph: graphKey(place.graph),
  inFunction: place.inFunction,
  inTraining: place.inTraining,
  node: place.node,
  label: place.label,
  op: place.op,
  value: place.value,
  message: clip(message, MAX_CHARS),
  fix: clip(fix, MAX_CHARS),
});
