/** Operators between convolutions: integer where all they take in already is, so that no way back to float is needed. */
import { MAIN, type GraphNode } from "../../../core/model.ts";
import type { ScopeIndex, Use } from "../../../core/scope.ts";
import { activationAfter, bare, type Layer } from "./layer.ts";

export function glue(
  scope: ScopeIndex,
  node: GraphNode,
  kind: Layer["kind"],
  inputs: readonly string[],
): Layer | null {
  if (node.outputs.filter((o) => o !== "").length !== 1) return null;
  if (inputs.length === 0 || inputs.some((name) => name === "" || scope.constant(MAIN, name)))
    return null;
  if (kind === "add" && (inputs.length !== 2 || inputs[0] === inputs[1])) return null;
  const activation = kind === "add" ? activationAfter(scope, node.outputs[0] ?? "") : null;
  return {
    ...bare(node, kind, inputs, null),
    activation,
    output: activation?.outputs[0] ?? node.outputs[0] ?? "",
    rounds: true,
  };
}

const isGlue = (layer: Layer): boolean => layer.kind === "add" || isMover(layer);
/** Worth codes only where someone takes them. */
export const isMover = ({ kind }: Pick<Layer, "kind">): boolean =>
  kind === "share" || kind === "pool" || kind === "join";

/** Glue stays where all it takes in comes as codes from a convolution, directly or through other glue. */
export function withGlue(layers: readonly Layer[]): readonly Layer[] {
  const kept: Layer[] = [];
  const codes = new Set<string>();
  const bounded = new Map<string, string>();
  for (const layer of layers) {
    if (isGlue(layer) && !layer.inputs.every((name) => codes.has(name))) continue;
    const bounds = boundsOf(layer, bounded);
    if (layer.rounds) {
      codes.add(layer.output);
      bounded.set(layer.output, bounds[0] ?? "");
    }
    // Codes that are wider than what a Relu gives would keep it from vanishing in the convolution.
    const mixed = layer.kind === "share" && new Set(bounds).size > 1;
    kept.push(mixed ? { ...layer, kind: "join" } : layer);
  }
  // From the end: a pool or a reshape is worth codes only where someone takes them.
  const wanted = new Set<string>();
  const worth = new Set<Layer>();
  for (let i = kept.length - 1; i >= 0; i--) {
    const layer = kept[i];
    if (!layer) continue;
    if (isMover(layer) && !wanted.has(layer.output)) continue;
    worth.add(layer);
    for (const name of layer.inputs) wanted.add(name);
  }
  return kept.filter((layer) => worth.has(layer));
}

/** The activation behind each value a layer moves, else the one it ends with; "" for none. */
const boundsOf = (layer: Layer, bounded: ReadonlyMap<string, string>): readonly string[] =>
  layer.kind === "share"
    ? layer.inputs.map((name) => bounded.get(name) ?? "")
    : [layer.activation?.op ?? ""];

/** A Gemm gives codes only where every use takes codes; otherwise it gives float in one kernel. */
export function settled(scope: ScopeIndex, layers: readonly Layer[]): readonly Layer[] {
  const takers = new Map<GraphNode, ReadonlySet<string>>(
    layers.map(({ node, inputs }) => [node, new Set(inputs)]),
  );
  const takesCodes = ({ node, graph }: Use, name: string): boolean =>
    node !== null && graph.path.length === 0 && (takers.get(node)?.has(name) ?? false);
  return layers.map((layer) => {
    if (layer.kind !== "gemm") return layer;
    const uses = scope.uses(MAIN, layer.output);
    return {
      ...layer,
      rounds: uses.length > 0 && uses.every((use) => takesCodes(use, layer.output)),
    };
  });
}
