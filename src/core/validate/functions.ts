/** The model's own functions: each on its own, and which call which. */
import { calleeKey, functionKey, functionName } from "../functions.ts";
import { graphKey, MAIN, type FunctionInfo, type Graph, type Model } from "../model.ts";
import type { ShapeTable } from "../shapeInference.ts";
import { atNode, NOWHERE, type Place, type Report } from "./finding.ts";
import type { Outer, Scope, Shared } from "./graphs.ts";
import { schemaOf } from "./schemas.ts";

export type CheckScope = (
  scope: Scope,
  table: ShapeTable | null,
  report: Report,
  outer?: Outer | null,
) => void;

/** The checker's limits; longer chains are not made by any exporter. */
const MAX_CALL_DEPTH = 100;
const MAX_FUNCTIONS = 10_000;

/** Functions that are there twice, that call themselves, and calls of an overload there is not. */
export function checkCalls(model: Model, functionOf: Shared["functionOf"], report: Report): void {
  const { functions } = model;
  if (functions.length === 0) return;
  if (functions.length > MAX_FUNCTIONS)
    report(
      "error",
      "function-count",
      NOWHERE,
      `The model has ${functions.length} functions, and readers take up to ${MAX_FUNCTIONS}.`,
      "Inline those that are called once.",
    );
  const seen = new Set<string>();
  for (const f of functions) {
    if (seen.has(functionKey(f)))
      report(
        "error",
        "duplicate-function",
        { ...NOWHERE, inFunction: functionName(f) },
        `There are two functions "${functionName(f)}".`,
        "Give each a name of its own, or an overload.",
      );
    seen.add(functionKey(f));
  }
  const names = new Set(functions.map(({ domain, name }) => JSON.stringify([domain, name])));
  const lookAt = (graph: Graph, inFunction: string | null): void => {
    for (const node of graph.nodes) {
      if (!names.has(JSON.stringify([node.domain, node.op]))) continue;
      if (!seen.has(calleeKey(node)))
        report(
          "warning",
          "function-missing",
          atNode(graph.path, inFunction, node),
          `The model has functions "${node.domain}.${node.op}", but none with the overload "${node.overload ?? ""}".`,
          "Correct the node's overload; without the function no runtime can run it.",
        );
    }
  };
  for (const graph of model.graphs.values()) lookAt(graph, null);
  for (const f of functions) for (const graph of f.graphs.values()) lookAt(graph, functionName(f));
  checkDepth(functions, functionOf, report);
}

/** Depth first without recursion: a chain may be as long as the file likes. */
function checkDepth(
  functions: readonly FunctionInfo[],
  functionOf: Shared["functionOf"],
  report: Report,
): void {
  /** How many calls lie one inside another at most; null while it is being worked out. */
  const depths = new Map<FunctionInfo, number | null>();
  for (const root of functions) {
    if (depths.has(root)) continue;
    const path = [{ f: root, callees: calleesOf(root, functionOf), at: 0, depth: 1 }];
    depths.set(root, null);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const callee = top.callees[top.at++];
      if (callee === undefined) {
        depths.set(top.f, top.depth);
        path.pop();
        const caller = path.at(-1);
        if (caller) caller.depth = Math.max(caller.depth, top.depth + 1);
        continue;
      }
      const known = depths.get(callee);
      if (known === null) {
        const cycle = path.slice(path.findIndex(({ f }) => f === callee)).map(({ f }) => f);
        report(
          "error",
          "function-cycle",
          { ...NOWHERE, inFunction: functionName(callee) },
          `The function "${functionName(callee)}" calls itself${cycle.length === 1 ? "" : `, by ${chain(cycle)}`}.`,
          "Functions must not be recursive; what repeats belongs in the body of a Loop.",
        );
      } else if (known !== undefined) top.depth = Math.max(top.depth, known + 1);
      else {
        depths.set(callee, null);
        path.push({ f: callee, callees: calleesOf(callee, functionOf), at: 0, depth: 1 });
      }
    }
  }
  const deepest = [...depths].reduce<{ f: FunctionInfo; depth: number } | null>(
    (most, [f, depth]) => ((depth ?? 0) > (most?.depth ?? 0) ? { f, depth: depth ?? 0 } : most),
    null,
  );
  if (deepest && deepest.depth > MAX_CALL_DEPTH)
    report(
      "error",
      "function-depth",
      { ...NOWHERE, inFunction: functionName(deepest.f) },
      `Calls lie ${deepest.depth} deep inside one another from the function "${functionName(deepest.f)}" on, and readers take up to ${MAX_CALL_DEPTH}.`,
      "Inline some of the functions.",
    );
}

const MAX_CHAIN = 5;
const chain = (functions: readonly FunctionInfo[]): string => {
  const names = functions.slice(1, 1 + MAX_CHAIN).map((f) => `"${functionName(f)}"`);
  return `${names.join(", ")}${functions.length > 1 + MAX_CHAIN ? " and others" : ""}`;
};

function calleesOf(f: FunctionInfo, functionOf: Shared["functionOf"]): FunctionInfo[] {
  const found = new Set<FunctionInfo>();
  for (const graph of f.graphs.values())
    for (const node of graph.nodes) {
      const callee = functionOf(node);
      if (callee) found.add(callee);
    }
  return [...found];
}

/** One function on its own; `checkScope` looks at its graphs. */
export function checkFunction(
  scope: Scope,
  f: FunctionInfo,
  report: Report,
  checkScope: CheckScope,
): void {
  const { model } = scope;
  const name = functionName(f);
  const place = { ...NOWHERE, inFunction: name };
  const say = (message: string, fix: string): void =>
    report("error", "function", place, message, fix);
  if (f.name === "") say("A function has no name.", "Give it one.");
  if (f.opsets.size === 0)
    say(`The function "${name}" imports no operator set.`, "Add opset_import to it.");
  checkVersions(model, f, place, report);
  const graph = body(f);
  const lists = [
    ["parameters", [...(graph?.inputs ?? [])]],
    ["attributes", f.attributes],
    ["outputs", graph?.outputs ?? []],
  ] as const;
  for (const [what, list] of lists) {
    const once = new Set<string>();
    const twice = list.find((one) => once.size === once.add(one).size);
    if (twice !== undefined)
      say(
        `The function "${name}" has two ${what} named "${twice}".`,
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

/** Operators that mean something else in the model's operator set than in the function's. */
function checkVersions(model: Model, f: FunctionInfo, place: Place, report: Report): void {
  const differing = new Map<string, readonly [own: number, outer: number]>();
  for (const [domain, version] of f.opsets) {
    const outer = model.opsets.get(domain);
    if (outer !== undefined && outer !== version) differing.set(domain, [version, outer]);
  }
  for (const [domain, [own, outer]] of differing) {
    const sinceOf = (op: string, version: number): number | null => {
      const answer = schemaOf(domain, op, version);
      return answer.kind === "schema" ? answer.schema.since : null;
    };
    const nodes = [...f.graphs.values()].flatMap((graph) => graph.nodes);
    const changed = nodes.find(
      (node) => node.domain === domain && sinceOf(node.op, own) !== sinceOf(node.op, outer),
    );
    const set = domain === "" ? "ai.onnx" : domain;
    report(
      changed ? "error" : "warning",
      "function-opset",
      place,
      `The function "${functionName(f)}" imports version ${own} of "${set}", and the model ${outer}${changed ? `, in which ${changed.op} is another` : ""}.`,
      "Import the same version in both.",
    );
  }
}
