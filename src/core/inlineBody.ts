/** A body of an If in the place of its node: what its names, its tensors and the graphs inside it become. */
import {
  graphAt,
  nodeKey,
  type Attribute,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
  type Value,
} from "./model.ts";
import type { Step } from "./step.ts";

type InlineStep = Extract<Step, { kind: "inlineBody" }>;
type Pair = readonly [from: string, to: string];

/** Names that the graph itself gives to values. */
export function namesMade({ inputs, tensors, nodes }: Graph): Set<string> {
  const made = new Set([...inputs, ...tensors.keys(), ...nodes.flatMap(({ outputs }) => outputs)]);
  made.delete("");
  return made;
}

const isBelow = (path: GraphPath, root: GraphPath): boolean =>
  root.every((part, i) => path[i] === part);

/**
 * The step that inlines a body. A value that a node of the body makes for one output of the node takes
 * that output's name; what the body calls like something around it is renamed by `unique`.
 */
export function inlineStep(
  model: Model,
  graph: GraphPath,
  node: GraphNode,
  attr: string,
  unique: (base: string) => string,
): InlineStep {
  const held = node.attrs[attr];
  if (held?.kind !== "graph") throw new Error(`"${nodeKey(node)}" has no body "${attr}"`);
  const body = graphAt(model, held.path);
  // Once the body is in, its names are seen in all graphs inside the one around it.
  const taken = new Set(
    [...model.graphs.values()]
      .filter(
        ({ path }) => !isBelow(path, held.path) && (isBelow(path, graph) || isBelow(graph, path)),
      )
      .flatMap((other) => [...namesMade(other)]),
  );
  const makers = new Set(body.nodes.flatMap(({ outputs }) => outputs));
  const rename = new Map<string, string>();
  const give: Pair[] = [];
  for (const [i, value] of body.outputs.entries()) {
    const output = node.outputs[i] ?? "";
    if (output === "") continue;
    if (makers.has(value) && !rename.has(value)) rename.set(value, output);
    else give.push([value, output]);
  }
  for (const name of namesMade(body))
    if (taken.has(name) && !rename.has(name)) rename.set(name, unique(name));
  const named = give.map(([value, output]): Pair => [rename.get(value) ?? value, output]);
  return { kind: "inlineBody", graph, node: nodeKey(node), attr, rename: [...rename], give: named };
}

/** What takes the node's place, and the graphs inside the body at their new paths. */
export function inlineBody(
  model: Model,
  { graph, rename, give }: InlineStep,
  root: GraphPath,
): {
  readonly nodes: readonly GraphNode[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly values: ReadonlyMap<string, Value>;
  readonly graphs: readonly Graph[];
} {
  const names = new Map(rename);
  const named = (name: string): string => names.get(name) ?? name;
  const moved = (path: GraphPath): GraphPath => {
    const [first = "", ...rest] = path.slice(root.length);
    return [...graph, named(first), ...rest];
  };
  const attribute = (attr: Attribute): Attribute =>
    attr.kind === "graph" ? { kind: "graph", path: moved(attr.path) } : attr;
  const nodeAt = (node: GraphNode, outputs: readonly string[]): GraphNode => ({
    ...node,
    inputs: node.inputs.map(named),
    outputs,
    attrs: Object.values(node.attrs).some(({ kind }) => kind === "graph")
      ? Object.fromEntries(Object.entries(node.attrs).map(([key, attr]) => [key, attribute(attr)]))
      : node.attrs,
  });
  const body = graphAt(model, root);
  return {
    nodes: [
      ...body.nodes.map((node) => nodeAt(node, node.outputs.map(named))),
      ...give.map(([value, output]): GraphNode => ({
        name: "",
        op: "Identity",
        domain: "",
        inputs: [value],
        outputs: [output],
        attrs: {},
      })),
    ],
    tensors: new Map(
      [...body.tensors].map(([name, tensor]) => [named(name), { ...tensor, name: named(name) }]),
    ),
    values: new Map(
      [...body.values].map(([name, value]) => [named(name), { ...value, name: named(name) }]),
    ),
    graphs: [...model.graphs.values()]
      .filter(({ path }) => isBelow(path, root) && path.length > root.length)
      .map((inner) => ({
        ...inner,
        path: moved(inner.path),
        nodes: inner.nodes.map((node) => nodeAt(node, node.outputs)),
        outputs: inner.outputs.map(named),
      })),
  };
}
