/** Subexpressions whose inputs are all constant: found here, computed by the runtime, with a limit on growth. */
import {
  graphKey,
  nodeKey,
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  isOverridable,
} from "../../../core/model.ts";
import { scopeOf, isOutput, type ScopeIndex } from "../../../core/scope.ts";
import { byteLength, elementCount } from "../../../shared/dtype.ts";
import type { Skip } from "../../../shared/report.ts";
import { isStandard, NOT_REPEATABLE, numbersOf, provenShapes } from "./facts.ts";

/**
 * A subexpression is folded only where the file does not grow for it: its new tensors may exceed the
 * constants that they replace by what its nodes take in the file (60 to 250 bytes each, with names),
 * and never by more than the cap. Shape arithmetic stays far below; the transposed copy of a tied
 * embedding does not, nor a ResNet-50 whose weights are ConstantOfShape nodes (80 KB to 102 MB).
 */
const NODE_BYTES = 128;
const MAX_GROWTH_BYTES = 64 * 1024;
/** What is computed on the way may not exceed this, in bytes per value. */
const MAX_INTERMEDIATE_BYTES = 64 * 1024 * 1024;

export interface Subexpression {
  readonly name: string;
  readonly path: GraphPath;
  /** By key, in order: node objects change as other units rewire their inputs. */
  readonly nodes: readonly GraphNode[];
  /** What the rest of the model uses, with sizes from shape inference. */
  readonly outputs: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Initializers that nothing else uses, in bytes. */
  readonly freedBytes: number;
}

/** Operators that are never computed ahead. */
const KEPT: ReadonlySet<string> = new Set([
  ...NOT_REPEATABLE,
  "Constant",
  // Its result is the large float weight that the codes stand for.
  "DequantizeLinear",
  "If",
  "Loop",
  "Scan",
  "SequenceMap",
]);
/** A constant from here on that a Cast widens is stored that way on purpose. */
const STORAGE_BYTES = 1024;

export function findSubexpressions(model: Model): {
  readonly found: readonly Subexpression[];
  readonly skipped: readonly Skip[];
} {
  if (model.irVersion < 4) return { found: [], skipped: [] };
  const found: Subexpression[] = [];
  const skipped: Skip[] = [];
  for (const graph of model.graphs.values())
    for (const nodes of connected(graph, foldableNodes(model, graph))) {
      const candidate = describe(model, graph, nodes);
      // What nothing uses goes with the unused nodes.
      if (candidate.outputs.length === 0) continue;
      const grown = candidate.outputs.reduce((sum, o) => sum + o.sizeBytes, -candidate.freedBytes);
      const limit = Math.min(MAX_GROWTH_BYTES, NODE_BYTES * nodes.length);
      if (grown <= limit) found.push(candidate);
      else
        skipped.push({
          name: candidate.name,
          reason: `folding ${nodes.length} constant node${nodes.length > 1 ? "s" : ""} would add ${grown} bytes, more than the ${limit} allowed`,
        });
    }
  return { found, skipped };
}

function foldableNodes(model: Model, graph: Graph): ReadonlySet<GraphNode> {
  const scope = scopeOf(model);
  const foldable = new Set<GraphNode>();
  const isConstant = (name: string): boolean => {
    const definition = scope.define(graph.path, name);
    if (definition?.kind === "tensor")
      return (
        definition.tensor.dtype.kind !== "string" && !isOverridable(model, definition.graph, name)
      );
    return definition?.kind === "node" && foldable.has(definition.node);
  };
  for (const node of graph.nodes) {
    if (!isStandard(node) || KEPT.has(node.op) || expandsStorage(model, graph, node)) continue;
    if (Object.values(node.attrs).some((a) => a.kind === "graph" || a.kind === "opaque")) continue;
    if (node.inputs.length === 0 || !node.inputs.every((i) => i === "" || isConstant(i))) continue;
    // A second run would find a condition that never changes, which the pass for those has refused.
    if (node.outputs.some((o) => decides(scope, graph, o))) continue;
    if (
      node.outputs.every(
        (o) => o === "" || (sizeOf(model, graph, o) !== null && !isOutput(model, graph.path, o)),
      )
    )
      foldable.add(node);
  }
  return foldable;
}

const decides = (scope: ScopeIndex, graph: Graph, name: string): boolean =>
  scope.uses(graph.path, name).some(({ node, input }) => node?.op === "If" && input === 0);

function expandsStorage(model: Model, graph: Graph, node: GraphNode): boolean {
  if (node.op !== "Cast") return false;
  const source = scopeOf(model).constant(graph.path, node.inputs[0] ?? "")?.tensor;
  const to = provenShapes(model).dtypeOf(graph.path, node.outputs[0] ?? "");
  return (
    source !== undefined &&
    source.sizeBytes >= STORAGE_BYTES &&
    to !== null &&
    to.bits > source.dtype.bits
  );
}

/** Bytes of a value of known shape and numeric type within the limit, else null. */
function sizeOf(model: Model, graph: Graph, name: string): number | null {
  const shapes = provenShapes(model);
  const type = shapes.dtypeOf(graph.path, name);
  const shape = numbersOf(shapes.shapeOf(graph.path, name));
  if (!type || !shape || type.kind === "string") return null;
  const size = byteLength(type, elementCount(shape));
  return size !== null && size <= MAX_INTERMEDIATE_BYTES ? size : null;
}

/** Groups of nodes that feed one another, each in graph order. */
function connected(graph: Graph, nodes: ReadonlySet<GraphNode>): readonly GraphNode[][] {
  const groupOf = new Map<string, Set<GraphNode>>();
  const groups = new Set<Set<GraphNode>>();
  for (const node of graph.nodes) {
    if (!nodes.has(node)) continue;
    const joined = new Set(node.inputs.flatMap((name) => groupOf.get(name) ?? []));
    const group = new Set([...joined].flatMap((old) => [...old]));
    group.add(node);
    for (const old of joined) groups.delete(old);
    groups.add(group);
    for (const member of group)
      for (const output of member.outputs) if (output !== "") groupOf.set(output, group);
  }
  return [...groups].map((group) => graph.nodes.filter((node) => group.has(node)));
}

function describe(model: Model, graph: Graph, nodes: readonly GraphNode[]): Subexpression {
  const scope = scopeOf(model);
  const inside = new Set(nodes);
  const usedOutside = (path: GraphPath, name: string): boolean =>
    scope.uses(path, name).some((use) => use.node === null || !inside.has(use.node));
  const outputs = nodes
    .flatMap((node) => node.outputs)
    .filter((name) => name !== "" && usedOutside(graph.path, name))
    .map((name) => ({ name, sizeBytes: sizeOf(model, graph, name) ?? 0 }));
  let freedBytes = 0;
  for (const name of new Set(nodes.flatMap((node) => node.inputs))) {
    const definition = scope.define(graph.path, name);
    if (definition?.kind === "tensor" && !usedOutside(definition.graph.path, name))
      freedBytes += definition.tensor.sizeBytes;
  }
  const last = nodes.at(-1);
  const name = last ? nodeLabel(graph.path, last) : "";
  return { name, path: graph.path, nodes, outputs, freedBytes };
}

/** The nodes of a subexpression as they are now; null when one of them is gone. */
export function currentNodes(model: Model, sub: Subexpression): readonly GraphNode[] | null {
  const graph = model.graphs.get(graphKey(sub.path));
  const byKey = new Map(graph?.nodes.map((node) => [nodeKey(node), node]));
  const nodes = sub.nodes.flatMap((node) => byKey.get(nodeKey(node)) ?? []);
  return nodes.length === sub.nodes.length ? nodes : null;
}
