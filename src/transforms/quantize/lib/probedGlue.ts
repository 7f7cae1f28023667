/**
 * Glue between the products of a transformer on integers too: additions, scalings, attention's own
 * products, softmax. Which of it survives rounding cannot be told from structure (the addition of a
 * mask of −10000 does not, the one of a residual does), so each tensor is rounded alone once and the
 * outputs are held against the exact ones.
 */
import type { Rounding, RoundingDrift, WorkContext } from "../../../core/context.ts";
import { isOverridable, MAIN, mainGraph, type GraphNode, type Model } from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import { isMover } from "./glue.ts";
import type { Group } from "./groups.ts";
import { activationAfter, bare, type Layer } from "./layer.ts";
import { SHARING } from "./layers.ts";
import type { ActivationFormat, Grid } from "./ranges.ts";

/** Operators that choose between values, which the probe needs, came with 9. */
export const PROBE_OPSET = 9;

export interface ProbeOptions {
  readonly format: ActivationFormat;
  readonly limit: number;
  /** What is left of all layers when these values stay float. */
  readonly left: (layers: readonly Layer[], float: ReadonlySet<string>) => readonly Layer[];
}

/** `ProbeOptions.left` for the layers of `withAllGlue`. */
export function leftOfGlue(model: Model, structural: readonly Layer[]): ProbeOptions["left"] {
  const fixed = new Set(structural.map(({ node }) => node));
  return (layers, float) => resolved(scopeOf(model), layers, fixed, float);
}

/** The structural layers, and between them all that onnxruntime can run on integers. */
export function withAllGlue(model: Model, layers: readonly Layer[]): readonly Layer[] {
  const scope = scopeOf(model);
  const own = new Map(layers.map((layer) => [layer.node, layer]));
  const claimed = new Set(
    layers.flatMap(({ affine, activation }) => [...affine, ...(activation ? [activation] : [])]),
  );
  const all: Layer[] = [];
  for (const node of mainGraph(model).nodes) {
    const layer = own.get(node) ?? (claimed.has(node) ? null : glueOf(model, scope, node));
    if (!layer) continue;
    if (layer.activation) claimed.add(layer.activation);
    // A product gives codes as long as all who use it take them.
    all.push(layer.kind === "matmul" || layer.kind === "gemm" ? { ...layer, rounds: true } : layer);
  }
  return resolved(scope, all, new Set(own.keys()), new Set());
}

function glueOf(model: Model, scope: ScopeIndex, node: GraphNode): Layer | null {
  if (node.domain !== "" && node.domain !== "ai.onnx") return null;
  const [output = "", ...more] = node.outputs;
  if (more.some((name) => name !== "") || !isFloat(model, output)) return null;
  const isConstant = (name: string): boolean => scope.constant(MAIN, name) !== null;
  const [first = ""] = node.inputs;
  const layer = (kind: Layer["kind"], inputs: readonly string[]): Layer | null =>
    inputs.length === 0 || inputs.some((name) => name === "" || isConstant(name))
      ? null
      : { ...bare(node, kind, inputs, null), rounds: true };
  switch (node.op) {
    case "Add":
    case "Mul": {
      if (node.inputs[0] === node.inputs[1]) return null;
      const constants = node.inputs.filter(isConstant);
      if (constants.some((name) => isOverridable(model, mainGraph(model), name))) return null;
      const found = layer(
        node.op === "Add" ? "add" : "mul",
        node.inputs.filter((name) => !isConstant(name)),
      );
      const activation = activationAfter(scope, output);
      return found
        ? { ...found, constants, activation, output: activation?.outputs[0] ?? output }
        : null;
    }
    case "MatMul":
      return node.inputs[0] === node.inputs[1] ? null : layer("product", node.inputs);
    case "Softmax":
    case "Sigmoid":
      return layer("unary", [first]);
    case "Concat":
      return layer("join", node.inputs);
    default:
      return SHARING.has(node.op) || node.op === "Slice" ? layer("share", [first]) : null;
  }
}

const isFloat = (model: Model, name: string): boolean =>
  inferShapes(model).dtypeOf(MAIN, name)?.name === "float32";

/**
 * What is left when some values stay float. Glue is kept where something comes to it as codes (a
 * mover: everything, and someone takes them); a product gives codes where every use takes them.
 *
 * Asking for codes on every input instead was no better: latency against the structural rule, over
 * repeats, text encoder 0.87 to 0.95 as it is and 1.00 then, chargpt_s 1.17 to 1.27 and 1.06.
 */
function resolved(
  scope: ScopeIndex,
  layers: readonly Layer[],
  fixed: ReadonlySet<GraphNode>,
  float: ReadonlySet<string>,
): readonly Layer[] {
  let kept = layers.filter(
    ({ node, inputs, output }) =>
      fixed.has(node) || (!inputs.some((name) => float.has(name)) && !float.has(output)),
  );
  for (;;) {
    const takers = new Map(kept.map((layer) => [layer.node, layer.inputs]));
    const takenBy = (name: string): readonly boolean[] =>
      scope
        .uses(MAIN, name)
        .map(
          ({ node, graph }) =>
            node !== null && graph.path.length === 0 && takers.get(node)?.includes(name) === true,
        );
    const codes = new Set(
      kept.flatMap((layer) => [
        ...(fixed.has(layer.node) ? layer.inputs : []),
        ...(layer.rounds ? [layer.output] : []),
      ]),
    );
    const next = kept.flatMap((layer): Layer[] => {
      const { kind, inputs, output } = layer;
      if (kind === "matmul" || kind === "gemm") {
        const taken = takenBy(output);
        const rounds =
          layer.rounds && !float.has(output) && taken.length > 0 && taken.every(Boolean);
        return [rounds === layer.rounds ? layer : { ...layer, rounds }];
      }
      if (fixed.has(layer.node)) return [layer];
      const worth = isMover(layer)
        ? inputs.every((name) => codes.has(name)) && takenBy(output).some(Boolean)
        : inputs.some((name) => codes.has(name));
      return worth ? [layer] : [];
    });
    if (next.length === kept.length && next.every((layer, i) => layer === kept[i])) return next;
    kept = next;
  }
}

export interface ProbedUnit {
  readonly name: string;
  readonly layer: Layer;
  /** Of its inputs, then of its output where that is rounded. */
  readonly groups: readonly Group[];
}

/** What the probe found: each unit's layer as it is to be written, or why it stays float. */
export interface ProbedGlue {
  readonly layers: ReadonlyMap<string, Layer>;
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Rounds every tensor of the glue alone, and leaves float those that move the outputs by more than
 * `limit`: KL in nats where outputs are scores, else noise power per signal power.
 * @param structural layers that are quantized whatever the probe says
 */
export async function probeGlue(
  units: readonly ProbedUnit[],
  structural: readonly Layer[],
  grids: ReadonlyMap<string, Grid>,
  { format, limit, left: leaves }: ProbeOptions,
  ctx: WorkContext,
): Promise<ProbedGlue> {
  const given = new Set(
    structural.flatMap(({ inputs, output, rounds }) => [...inputs, ...(rounds ? [output] : [])]),
  );
  const groups = new Map(units.flatMap((unit) => unit.groups).map((group) => [group.id, group]));
  const probed = [...groups.values()].filter(({ sources }) => sources.some((v) => !given.has(v)));
  const roundings = probed.flatMap(({ id, sources }): Rounding[] => {
    const grid = grids.get(id);
    return grid ? sources.map((value) => ({ value, ...grid, dtype: format.dtype })) : [];
  });
  const drifts = await ctx.probe(
    roundings,
    probed.map(({ sources }) => sources),
  );
  const harm = new Map<string, string>();
  probed.forEach(({ id, sources }, i) => {
    const drift = drifts[i];
    if (drift && !(distance(drift) <= limit)) harm.set(id, worded(sources, drift, limit));
  });
  const float = new Set(
    units.flatMap(({ layer, groups: own }) =>
      valuesOf(layer).filter((_, i) => harm.has(own[i]?.id ?? "")),
    ),
  );
  const all = units.map(({ layer }) => layer);
  const left = new Map(leaves(all, float).map((layer) => [layer.node, layer]));
  const layers = new Map<string, Layer>();
  const refused = new Map<string, string>();
  for (const { name, layer, groups: own } of units) {
    const found = left.get(layer.node);
    if (found) layers.set(name, found);
    else {
      const [reason] = own.flatMap(({ id }) => harm.get(id) ?? []);
      refused.set(name, reason ?? "what it works on stays float, so its codes would be of no use");
    }
  }
  return { layers, refused };
}

const valuesOf = ({ inputs, output }: Layer): readonly string[] => [...inputs, output];

const distance = ({ kl, noise }: RoundingDrift): number => kl ?? noise;

function worded(sources: readonly string[], drift: RoundingDrift, limit: number): string {
  const { kl, noise } = drift;
  const names = sources.map((name) => `"${name}"`).join(", ");
  if (!Number.isFinite(distance(drift)))
    return `rounding ${names} alone gives an output another size, or NaN, so it stays float`;
  const measured =
    kl === null ? `by ${noise.toPrecision(2)} of their power` : `by KL ${kl.toPrecision(2)}`;
  return `rounding ${names} alone moves the outputs ${measured}, more than ${limit}, so it stays float`;
}
