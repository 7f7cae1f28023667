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

/** More than anyone reads; a damaged file must not fill memory with them. */
const MAX_FINDINGS = 10_000;
const MAX_GUESSES = 50;

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
    if (findings.size < MAX_FINDINGS && !findings.has(key))
      findings.set(key, { severity, code, place, message, fix });
  };
  if (model.format !== "onnx") return [];
  checkVersions(model, report);
  const contradictions: Contradiction[] = [];
  const table = inferShapes(model, { report: (found) => contradictions.push(found) });
  const names = model.functions.map(nameOf);
  const shared = { model, functions: new Set(names), guesses: { left: MAX_GUESSES } };
  const { graphs, opsets } = model;
  checkScope({ ...shared, graphs, opsets, inFunction: null, hidden }, table, report);
  const seen = new Set<string>();
  for (const f of model.functions) {
    if (seen.has(nameOf(f)))
      report(
        "warning",
        "function-overload",
        { ...NOWHERE, inFunction: nameOf(f) },
        `There are several functions "${nameOf(f)}"; only their overloads tell them apart.`,
        "Give each a name of its own.",
      );
    seen.add(nameOf(f));
    const scope = { ...shared, graphs: f.graphs, opsets: f.opsets, hidden: () => [] };
    checkFunction({ ...scope, inFunction: nameOf(f) }, f, report);
  }
  const bodies = new Map(model.functions.map((f) => [nameOf(f), f.graphs]));
  for (const found of contradictions) {
    const within = found.inFunction === null ? model.graphs : bodies.get(found.inFunction);
    const graph = within?.get(graphKey(found.path));
    if (graph) reportContradiction(found, graph, report);
  }
  return [...findings.values()];
}

const nameOf = (f: FunctionInfo): string => `${f.domain}.${f.name}`;

/** @param table null inside a function, whose types depend on each call */
function checkScope(scope: Scope, table: ShapeTable | null, report: Report): void {
  const main = scope.graphs.get(graphKey(MAIN));
  if (main) checkGraph(scope, main, null, report);
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

function checkFunction(scope: Scope, f: FunctionInfo, report: Report): void {
  const { model } = scope;
  const name = nameOf(f);
  const place = { ...NOWHERE, inFunction: name };
  const say = (message: string, fix: string): void =>
    report("error", "function", place, message, fix);
  if (f.name === "") say("A function has no name.", "Give it one.");
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
    const once = new Set<string>();
    const twice = list.find((one) => once.size === once.add(one).size);
    if (twice !== undefined)
      say(
        `The function "${name}" has two parameters named "${twice}".`,
        "Give each a name of its own.",
      );
  }
  const attributes = new Set(f.attributes);
  for (const graph of f.graphs.values())
    for (const node of graph.nodes)
      for (const attr of Object.values(node.attrs))
        if (attr.kind === "opaque" && attr.refersTo !== undefined && !attributes.has(attr.refersTo))
          say(
            `${node.op} in the function "${name}" refers to its attribute "${attr.refersTo}", which it does not have.`,
            "Declare the attribute of the function.",
          );
  checkScope(scope, null, report);
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
