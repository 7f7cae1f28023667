/** Stored weights and the nodes that use them: through Identity and Transpose, over all graphs. */
import {
  isOverridable,
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";
import { scopeOf, type ScopeIndex } from "./scope.ts";
import type { Skip } from "../shared/report.ts";

export interface WeightSource {
  /** Where the tensor is defined. */
  readonly graph: Graph;
  /** Name of the initializer, or of the Constant node's output. */
  readonly name: string;
  readonly tensor: Tensor;
  /** An odd number of transpositions lies between the tensor and its use. */
  readonly transposed: boolean;
}

/** One use of a weight. */
export interface WeightSite {
  readonly node: GraphNode;
  /** The node's input that is the weight. */
  readonly input: number;
}

export interface UsedWeight<S extends WeightSite> {
  /** Where the tensor is defined. */
  readonly graph: Graph;
  /** Name of the initializer, or of the Constant node's output. */
  readonly name: string;
  readonly tensor: Tensor;
  /** In file order; never empty. */
  readonly sites: readonly [S, ...S[]];
  /** A use that is none of the sites and keeps the tensor in the file; null when there is none. */
  readonly keptBy: string | null;
}

/**
 * Weights in file order of their first use, over all graphs.
 * @param siteOf the use that a node is, why it is none, or null for a node without a weight
 */
export function collectWeights<S extends WeightSite>(
  model: Model,
  siteOf: (
    scope: ScopeIndex,
    graph: Graph,
    node: GraphNode,
  ) => { readonly source: WeightSource; readonly site: S } | string | null,
): { readonly weights: readonly UsedWeight<S>[]; readonly skipped: readonly Skip[] } {
  const scope = scopeOf(model);
  const found = new Map<Tensor, { source: WeightSource; sites: [S, ...S[]] }>();
  const skipped: Skip[] = [];
  for (const graph of model.graphs.values())
    for (const node of graph.nodes) {
      const result = siteOf(scope, graph, node);
      if (result === null) continue;
      if (typeof result === "string") {
        skipped.push({ name: nodeLabel(graph.path, node), reason: result });
        continue;
      }
      const { source, site } = result;
      const entry = found.get(source.tensor);
      if (entry) entry.sites.push(site);
      else found.set(source.tensor, { source, sites: [site] });
    }
  const weights = [...found.values()].map(({ source, sites }): UsedWeight<S> => {
    const { graph, name, tensor } = source;
    return { graph, name, tensor, sites, keptBy: otherUse(scope, graph.path, name, sites) };
  });
  return { weights, skipped };
}

/** Smaller constants are masks, scales or position tables rather than weights. */
const MIN_WEIGHT_BYTES = 1024;
export const weightLike = (tensor: Tensor | undefined): boolean =>
  tensor !== undefined &&
  tensor.dtype.kind === "float" &&
  tensor.shape.length >= 2 &&
  tensor.sizeBytes >= MIN_WEIGHT_BYTES;

/** Why a caller of the model may replace it, in words; null when nobody can. */
export const replacedByCallers = (model: Model, { graph, name }: WeightSource): string | null =>
  isOverridable(model, graph, name)
    ? `its weight "${name}" is also a graph input, so a caller may replace it (graph.clean can fix it)`
    : null;

/** The model's version of the standard operators. */
export const standardOpset = (model: Model): number =>
  model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;

/** The tensor behind a name, through Identity and matrix Transpose nodes. */
export function sourceOf(scope: ScopeIndex, path: GraphPath, name: string): WeightSource | null {
  let at = { path, name };
  let transposed = false;
  // Bounded: a cycle is not a valid graph but must not hang.
  for (let hops = 0; hops < 64 && at.name !== ""; hops++) {
    const definition = scope.define(at.path, at.name);
    if (!definition || definition.kind === "input") return null;
    const { graph } = definition;
    if (definition.kind === "tensor")
      return { graph, name: at.name, tensor: definition.tensor, transposed };
    const { node } = definition;
    if (node.domain !== "" && node.domain !== "ai.onnx") return null;
    if (node.op === "Constant") {
      const value = node.attrs["value"];
      return value?.kind === "tensor"
        ? { graph, name: at.name, tensor: value.value, transposed }
        : null;
    }
    if (node.op === "Transpose") {
      const perm = node.attrs["perm"];
      const order = perm?.kind === "ints" ? perm.value.join() : "1,0";
      if (order !== "1,0" && order !== "0,1") return null;
      transposed = transposed !== (order === "1,0");
    } else if (node.op !== "Identity") return null;
    at = { path: graph.path, name: node.inputs[0] ?? "" };
  }
  return null;
}

/** Label of a use of `name` that is none of the sites, looking through Identity and Transpose. */
function otherUse(
  scope: ScopeIndex,
  path: GraphPath,
  name: string,
  sites: readonly WeightSite[],
): string | null {
  for (const { graph, node, input } of scope.uses(path, name)) {
    if (node === null) return "an output of the graph";
    if (sites.some((site) => site.node === node && site.input === input)) continue;
    if (node.op !== "Identity" && node.op !== "Transpose")
      return `"${nodeLabel(graph.path, node)}" (${node.op})`;
    const through = otherUse(scope, graph.path, node.outputs[0] ?? "", sites);
    if (through !== null) return through;
  }
  return null;
}
