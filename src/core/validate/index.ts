/**
 * What the ONNX specification asks of a model, checked on structure alone: no weight is read.
 * Rules are those of the ONNX checker (onnx/checker.cc and the operator schemas), full check included.
 */
import { functionName, functionsOf } from "../functions.ts";
import { graphKey, MAIN, type GraphPath, type Model } from "../model.ts";
import { inferShapes, type Contradiction, type ShapeTable } from "../shapeInference.ts";
import { NOWHERE, type Finding, type Report } from "./finding.ts";
import { checkCalls, checkFunction } from "./functions.ts";
import { checkGraph, type Outer, type Scope, type Shared } from "./graphs.ts";
import { checkNode } from "./nodes.ts";
import { irOfOpset, NEWEST_IR, newestOpset } from "./schemas.ts";
import { checkTraining, type TrainingInfo } from "./training.ts";
import { checkDeclarations, checkTypes, reportContradiction } from "./types.ts";

export type { Finding, Place, Report } from "./finding.ts";
export type { TrainingGraph, TrainingInfo } from "./training.ts";

/** More than anyone reads; a damaged file must not fill memory with them. */
const MAX_FINDINGS = 10_000;
const MAX_GUESSES = 50;

/**
 * Nothing to check in a safetensors model: its reader refuses what is wrong.
 * @param hidden names of initializers that the model does not show, by graph
 * @param training its `training_info`, which a Model does not show either
 * @param onLeftOut called for each finding beyond the first 10,000
 */
export function validateModel(
  model: Model,
  hidden: (path: GraphPath) => readonly string[],
  training: readonly TrainingInfo[] = [],
  onLeftOut: (severity: Finding["severity"]) => void = () => {},
): Finding[] {
  const findings = new Map<string, Finding>();
  const report: Report = (severity, code, place, message, fix) => {
    // A body that is entered more than once says the same again.
    const key = JSON.stringify([code, place, message]);
    if (findings.has(key)) return;
    if (findings.size < MAX_FINDINGS) findings.set(key, { severity, code, place, message, fix });
    else onLeftOut(severity);
  };
  if (model.format !== "onnx") return [];
  checkVersions(model, report);
  const contradictions: Contradiction[] = [];
  const table = inferShapes(model, { report: (found) => contradictions.push(found) });
  const shared: Shared = { model, functionOf: functionsOf(model), guesses: { left: MAX_GUESSES } };
  const { graphs, opsets } = model;
  checkScope({ ...shared, graphs, opsets, inFunction: null, hidden }, table, report);
  checkCalls(model, shared.functionOf, report);
  for (const f of model.functions) {
    const scope = { ...shared, graphs: f.graphs, opsets: f.opsets, hidden: () => [] };
    checkFunction({ ...scope, inFunction: functionName(f) }, f, report, checkScope);
  }
  const updated = new Set<string>();
  for (const info of training)
    checkTraining(shared, info, hidden(MAIN), updated, report, checkScope);
  const bodies = new Map(model.functions.map((f) => [functionName(f), f.graphs]));
  for (const found of contradictions) {
    const within = found.inFunction === null ? model.graphs : bodies.get(found.inFunction);
    const graph = within?.get(graphKey(found.path));
    if (graph) reportContradiction(found, graph, report);
  }
  return [...findings.values()];
}

/**
 * @param table null inside a function, whose types depend on each call
 * @param outer names that a graph of training finds in the model's
 */
function checkScope(
  scope: Scope,
  table: ShapeTable | null,
  report: Report,
  outer: Outer | null = null,
): void {
  const main = scope.graphs.get(graphKey(MAIN));
  if (main) checkGraph(scope, main, outer, report);
  for (const graph of scope.graphs.values()) {
    // Of declared names only: a graph of a million nodes may declare two.
    const made = new Set([...graph.inputs, ...graph.outputs]);
    for (const node of graph.nodes) {
      for (const name of node.outputs) if (graph.values.has(name)) made.add(name);
      const schema = checkNode(scope, graph, node, report);
      if (schema && table) checkTypes(table, graph, node, schema, scope.inFunction, report);
    }
    if (scope.inFunction === null && table)
      checkDeclarations(graph, (name) => made.has(name) || graph.tensors.has(name), report);
  }
}

function checkVersions(model: Model, report: Report): void {
  const { irVersion, opsets } = model;
  if (irVersion === 0)
    report(
      "error",
      "ir-version",
      NOWHERE,
      "The model has no IR version.",
      `Set ir_version; ${NEWEST_IR} is the newest known.`,
    );
  else if (irVersion > NEWEST_IR)
    report(
      "error",
      "ir-version",
      NOWHERE,
      `The IR version ${irVersion} is newer than the newest that is known, ${NEWEST_IR}.`,
      `Export the model with an IR version up to ${NEWEST_IR}.`,
    );
  if (irVersion >= 3 && opsets.size === 0)
    report(
      "error",
      "opset-missing",
      NOWHERE,
      "The model imports no operator set.",
      "Add the default domain and its version to opset_import.",
    );
  for (const [domain, version] of opsets) {
    const newest = newestOpset(domain);
    const set = `operator set ${version}${domain === "" ? "" : ` of ${domain}`}`;
    if (newest !== null && (version > newest || version < 1))
      report(
        "warning",
        "opset-unknown",
        NOWHERE,
        `The model imports ${set}, and 1 to ${newest} are known.`,
        `Import one of those.`,
      );
  }
  const opset = opsets.get("");
  const needed = opset === undefined ? null : irOfOpset(opset);
  if (opset !== undefined && needed !== null && irVersion > 0 && irVersion < needed)
    report(
      "warning",
      "ir-opset",
      NOWHERE,
      `Operator set ${opset} came with IR version ${needed}, and the model says ${irVersion}; older tools may misread it.`,
      `Set ir_version to ${needed} or later.`,
    );
}
