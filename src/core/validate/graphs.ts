/** Names and order: every value is made once, before it is used. */
import {
  graphKey,
  nodeLabel,
  type FunctionInfo,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../model.ts";
import { topologicalOrder } from "../topology.ts";
import { nearest } from "../../shared/failure.ts";
import { atNode, inGraph, type Report } from "./finding.ts";

/** Names compared with a missing one, to say which was meant; edit distances take time. */
const MAX_NAMES = 2000;

/** What all graphs looked at have in common. */
export interface Shared {
  readonly model: Model;
  /** The model's own function that a node calls. */
  readonly functionOf: (node: GraphNode) => FunctionInfo | undefined;
  /** How often a missing name may still be compared with those there are. */
  readonly guesses: { left: number };
}

/** The graphs looked at: those of the model, of one function, or one of training. */
export interface Scope extends Shared {
  readonly graphs: Model["graphs"];
  readonly opsets: Model["opsets"];
  readonly inFunction: string | null;
  readonly isTraining?: boolean;
  /** Names of initializers that a Model does not show: sparse ones, and those of unknown types. */
  readonly hidden: (path: GraphPath) => readonly string[];
}

/** Names that graphs around a body have so far, nearest first; a chain, because copies would cost n². */
export interface Outer {
  readonly names: ReadonlySet<string>;
  readonly around: Outer | null;
}
function hasName(outer: Outer | null, name: string): boolean {
  for (let at = outer; at !== null; at = at.around) if (at.names.has(name)) return true;
  return false;
}

/** Checks one graph and the bodies inside it. */
export function checkGraph(scope: Scope, graph: Graph, outer: Outer | null, report: Report): void {
  const { model, inFunction } = scope;
  const own = new Set<string>();
  const place = (name: string): ReturnType<typeof inGraph> => inGraph(graph, inFunction, name);
  const isFree = (name: string): boolean => !own.has(name) && !hasName(outer, name);
  for (const name of graph.inputs) {
    if (own.has(name))
      report(
        "error",
        "duplicate-name",
        place(name),
        `The graph input "${name}" is listed twice.`,
        "Remove one of them, or give each a name of its own.",
      );
    own.add(name);
  }
  const inputs = new Set(graph.inputs);
  const isMain = graph.path.length === 0 && inFunction === null && scope.isTraining !== true;
  for (const [name] of graph.tensors) {
    if (isMain && model.irVersion > 0 && model.irVersion < 4 && !inputs.has(name))
      report(
        "error",
        "initializer-not-input",
        place(name),
        `The initializer "${name}" is no graph input, which IR version ${model.irVersion} asks for.`,
        `List it as a graph input too, or raise the IR version to 4 or later.`,
      );
    own.add(name);
  }
  for (const name of scope.hidden(graph.path)) own.add(name);
  const makers = new Map<string, GraphNode>();
  for (const node of graph.nodes)
    for (const name of node.outputs) if (name !== "" && !makers.has(name)) makers.set(name, node);

  for (const node of graph.nodes) {
    for (const name of node.inputs)
      if (name !== "" && isFree(name)) reportMissing(scope, graph, node, name, makers, own, report);
    for (const attr of Object.values(node.attrs)) {
      const body = attr.kind === "graph" ? scope.graphs.get(graphKey(attr.path)) : undefined;
      if (body && body.path.length > graph.path.length)
        checkGraph(scope, body, { names: own, around: outer }, report);
    }
    for (const name of node.outputs) {
      if (name === "") continue;
      if (!isFree(name)) {
        const maker = makers.get(name);
        const what =
          maker && maker !== node && own.has(name)
            ? `node "${nodeLabel(graph.path, maker)}" makes a value of that name`
            : maker && own.has(name) && !graph.tensors.has(name) && !inputs.has(name)
              ? "the node makes it twice"
              : graph.tensors.has(name)
                ? "it is an initializer"
                : inputs.has(name)
                  ? "it is a graph input"
                  : "a graph around this one has a value of that name";
        report(
          "error",
          "duplicate-name",
          atNode(graph.path, inFunction, node, name),
          `The output "${name}" is not new: ${what}.`,
          "Give the output, and what uses it, a name that nothing else in the model has.",
        );
      }
      own.add(name);
    }
  }
  checkOutputs(scope, graph, own, outer, report);
}

function reportMissing(
  scope: Scope,
  graph: Graph,
  node: GraphNode,
  name: string,
  makers: ReadonlyMap<string, GraphNode>,
  own: ReadonlySet<string>,
  report: Report,
): void {
  const place = atNode(graph.path, scope.inFunction, node, name);
  const maker = makers.get(name);
  if (!maker) {
    const near = scope.guesses.left-- > 0 ? nearest(name, [...own].slice(0, MAX_NAMES)) : null;
    report(
      "error",
      "missing-input",
      place,
      `Nothing makes the input "${name}": no node, initializer or graph input has that name.`,
      near === null
        ? "Add an initializer or a graph input of that name, or connect the node to a value there is."
        : `Did you mean "${near}"? Otherwise add an initializer or a graph input of that name.`,
    );
    return;
  }
  if (maker === node)
    report(
      "error",
      "cycle",
      place,
      `The node uses its own output "${name}".`,
      "Connect the input to what comes before; what repeats belongs in the body of a Loop or Scan.",
    );
  else if (isOnCycle(scope, graph))
    report(
      "error",
      "cycle",
      place,
      `The input "${name}" depends on this node's own output: the nodes form a cycle.`,
      "Cut the cycle; what repeats belongs in the body of a Loop or Scan.",
    );
  else
    report(
      "error",
      "not-sorted",
      place,
      `The input "${name}" is made only later, by node "${nodeLabel(graph.path, maker)}".`,
      "List the nodes in topological order: graph.clean puts them there.",
    );
}

const cyclic = new WeakMap<Graph, boolean>();
function isOnCycle(scope: Scope, graph: Graph): boolean {
  const known = cyclic.get(graph);
  if (known !== undefined) return known;
  let found = false;
  try {
    topologicalOrder({ ...scope.model, graphs: scope.graphs }, graph);
  } catch {
    found = true;
  }
  cyclic.set(graph, found);
  return found;
}

function checkOutputs(
  scope: Scope,
  graph: Graph,
  own: ReadonlySet<string>,
  outer: Outer | null,
  report: Report,
): void {
  const { inFunction, model } = scope;
  const listed = new Set<string>();
  for (const name of graph.outputs) {
    if (listed.has(name))
      report(
        "warning",
        "duplicate-output",
        inGraph(graph, inFunction, name),
        `The graph output "${name}" is listed twice.`,
        "Remove one of them.",
      );
    listed.add(name);
    if (!own.has(name) && !hasName(outer, name))
      report(
        "error",
        "output-not-made",
        inGraph(graph, inFunction, name),
        `Nothing makes the graph output "${name}".`,
        "Remove it from the outputs, or give a node's output that name.",
      );
  }
  if (inFunction !== null || scope.isTraining === true || model.format !== "onnx") return;
  const used = usedIn(scope);
  const elsewhere = graph.path.length === 0 ? model.usedElsewhere?.names : undefined;
  for (const name of graph.tensors.keys())
    if (!used.has(name) && elsewhere?.has(name) !== true)
      report(
        "warning",
        "unused-initializer",
        inGraph(graph, inFunction, name),
        `Nothing uses the initializer "${name}".`,
        "Remove it; graph.clean does.",
      );
}

const usedNames = new WeakMap<Model["graphs"], ReadonlySet<string>>();
/** Names of initializers that something uses, in whichever graph. */
function usedIn({ graphs }: Scope): ReadonlySet<string> {
  let used = usedNames.get(graphs);
  if (used) return used;
  // A graph of a million values may have a thousand initializers.
  const initializers = new Set<string>();
  for (const { tensors } of graphs.values())
    for (const name of tensors.keys()) initializers.add(name);
  const names = new Set<string>();
  const add = (name: string): void => {
    if (initializers.has(name)) names.add(name);
  };
  for (const graph of graphs.values()) {
    graph.outputs.forEach(add);
    for (const node of graph.nodes) node.inputs.forEach(add);
  }
  usedNames.set(graphs, (used = names));
  return used;
}
