/**
 * What the ONNX specification asks of a model, checked on structure alone: no weight is read.
 * Rules are those of the ONNX checker (onnx/checker.cc and the operator schemas), full check included.
 */
import {
  graphKey,
  MAIN,
  type FunctionInfo,
  type Graph,
  type GraphPath,
  type Model,
} from "../model.ts";
import { inferShapes, type Contradiction, type ShapeTable } from "../shapeInference.ts";
import { NOWHERE, type Finding, type Report } from "./finding.ts";
import { checkGraph, type Scope } from "./graphs.ts";
import { checkNode } from "./nodes.ts";
import { irOfOpset, NEWEST_IR, newestOpset } from "./schemas.ts";
import { checkDeclarations, checkTypes, reportContradiction } from "./types.ts";

export type { Finding, Place, Report } from "./finding.ts";

/**
 * Nothing to check in a safetensors model: its reader refuses what is wrong.
 * @param hidden names of initializers that the model does not show, by graph
 */
export function validateModel(
  model: Model,
  hidden: (path: GraphPath) => readonly string[],
): Finding[] {
  const findings = new Map<string, Finding>();
  const report: Report = (severity, code, place, message, fix) => {
    // A body that is entered more than once says the same again.
    const key = JSON.stringify([code, place, message]);
    if (!findings.has(key)) findings.set(key, { severity, code, place, message, fix });
  };
  if (model.format !== "onnx") return [];
  checkVersions(model, report);
  const contradictions: Contradiction[] = [];
  const table = inferShapes(model, { report: (found) => contradictions.push(found) });
  const main: Scope = { ...model, model, inFunction: null, hidden };
  checkScope(main, table, report);
  for (const f of model.functions) checkFunction(model, f, report);
  for (const found of contradictions) {
    const graphs =
      found.inFunction === null ? model.graphs : functionGraphs(model, found.inFunction);
    const graph = graphs?.get(graphKey(found.path));
    if (graph) reportContradiction(found, graph, report);
  }
  return [...findings.values()];
}

const functionGraphs = (model: Model, name: string): Model["graphs"] | undefined =>
  model.functions.find((f) => `${f.domain}.${f.name}` === name)?.graphs;

/** @param table null inside a function, whose types depend on each call */
function checkScope(scope: Scope, table: ShapeTable | null, report: Report): void {
  const main = scope.graphs.get(graphKey(MAIN));
  if (main) checkGraph(scope, main, new Set(), report);
  for (const graph of scope.graphs.values()) {
    const made = new Set([...graph.inputs, ...graph.tensors.keys()]);
    for (const node of graph.nodes) {
      for (const name of node.outputs) made.add(name);
      const schema = checkNode(scope, graph, node, report);
      if (schema && table) checkTypes(table, graph, node, schema, scope.inFunction, report);
    }
    if (scope.inFunction === null)
      checkDeclarations(graph, (name) => made.has(name) || graph.outputs.includes(name), report);
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

function checkFunction(model: Model, f: FunctionInfo, report: Report): void {
  const name = `${f.domain}.${f.name}`;
  const place = { ...NOWHERE, inFunction: name };
  const say = (message: string, fix: string): void =>
    report("error", "function", place, message, fix);
  if (f.name === "") say("A function has no name.", "Give it one.");
  if (model.functions.some((other) => other !== f && `${other.domain}.${other.name}` === name))
    report(
      "warning",
      "function-overload",
      place,
      `There are several functions "${name}"; only their overloads tell them apart.`,
      "Give each a name of its own.",
    );
  if (f.opsets.size === 0)
    say(`The function "${name}" imports no operator set.`, "Add opset_import to it.");
  for (const [domain, version] of f.opsets) {
    const outer = model.opsets.get(domain);
    if (outer !== undefined && outer !== version)
      report(
        "warning",
        "function-opset",
        place,
        `The function "${name}" imports version ${version} of "${domain === "" ? "ai.onnx" : domain}", and the model ${outer}.`,
        "Import the same version in both.",
      );
  }
  for (const list of [body(f)?.inputs ?? [], f.attributes]) {
    const twice = list.find((one, i) => list.indexOf(one) !== i);
    if (twice !== undefined)
      say(
        `The function "${name}" has two parameters named "${twice}".`,
        "Give each a name of its own.",
      );
  }
  for (const graph of f.graphs.values())
    for (const node of graph.nodes)
      for (const attr of Object.values(node.attrs))
        if (
          attr.kind === "opaque" &&
          attr.refersTo !== undefined &&
          !f.attributes.includes(attr.refersTo)
        )
          say(
            `${node.op} in the function "${name}" refers to its attribute "${attr.refersTo}", which it does not have.`,
            "Declare the attribute of the function.",
          );
  checkScope(
    { model, graphs: f.graphs, opsets: f.opsets, inFunction: name, hidden: () => [] },
    null,
    report,
  );
  const graph = body(f);
  const made = new Set([
    ...(graph?.inputs ?? []),
    ...(graph?.nodes.flatMap((n) => n.outputs) ?? []),
  ]);
  for (const output of graph?.outputs ?? [])
    if (!made.has(output))
      say(
        `Nothing in the function "${name}" makes its output "${output}".`,
        "Give a node's output that name.",
      );
}
const body = (f: FunctionInfo): Graph | undefined => f.graphs.get(graphKey(MAIN));
