/** Layers as units of a plan: what goes, what comes, and what has to be measured. */
import { MAIN, nodeLabel, type Model, type Tensor } from "../../../core/model.ts";
import type { Unit } from "../../../core/plan.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import type { Need } from "../../../core/statistics.ts";
import { groupsOf, type Group } from "./groups.ts";
import type { Layer } from "./layer.ts";

export interface UnitParams {
  readonly target: string;
  readonly bits: number;
  readonly weights: "channel" | "tensor";
  readonly activations: "8" | "16";
}

export interface StaticUnit extends Unit {
  readonly layer: Layer;
  /** Groups of its inputs, then of its output where that is rounded. */
  readonly groups: readonly Group[];
}

export function planUnits(
  model: Model,
  layers: readonly Layer[],
  params: UnitParams,
  upgradeBytes: number,
  needOf: (value: string) => Need,
): readonly StaticUnit[] {
  const scope = scopeOf(model);
  const groups = groupsOf(layers);
  const uses = new Map<Tensor, number>();
  for (const { weight } of layers)
    if (weight) uses.set(weight.source.tensor, (uses.get(weight.source.tensor) ?? 0) + 1);
  const seen = new Set<Tensor>();
  const taken = new Map<string, number>();
  return layers.map((layer) => {
    const values = layer.rounds ? [...layer.inputs, layer.output] : layer.inputs;
    const own = values.flatMap((value) => groups.get(value) ?? []);
    const sources = new Set(own.flatMap((group) => group.sources));
    const tensor = layer.weight?.source.tensor;
    const first = tensor !== undefined && !seen.has(tensor);
    if (tensor) seen.add(tensor);
    const label = nodeLabel(MAIN, layer.node);
    const count = taken.get(label) ?? 0;
    taken.set(label, count + 1);
    const size = sizes(scope, layer, params, first ? (uses.get(tensor) ?? 0) : 0);
    return {
      name: count === 0 ? label : `${label} (${count + 1})`,
      graph: MAIN,
      nodes: [layer.node, ...layer.affine, ...(layer.activation ? [layer.activation] : [])],
      tensors: tensor ? [tensor] : [],
      sizeBefore: size.before,
      sizeAfter: { min: size.least, max: size.most + upgradeBytes },
      detail: detailOf(layer, params),
      needs: [...sources].map((value) => needOf(value)),
      layer,
      groups: own,
    };
  });
}

/** Bytes that go and come; `layerUses` is how many layers take the weight, 0 when an earlier one counted it. */
function sizes(
  scope: ScopeIndex,
  { weight, affine, inputs, constants, kind }: Layer,
  params: UnitParams,
  layerUses: number,
): { readonly before: number; readonly least: number; readonly most: number } {
  // Scale and zero point of each value, shared where equal ones exist.
  const pairs = (inputs.length + 1) * (4 + 2);
  const gone = (name: string, users: number): number => {
    const found = name === "" ? null : scope.constant(MAIN, name);
    const held = found ? (found.node?.outputs[0] ?? found.tensor.name) : name;
    return found && held === name && scope.uses(found.graph.path, name).length <= users
      ? found.tensor.sizeBytes
      : 0;
  };
  if (!weight) {
    const own = constants.flatMap((name) => scope.constant(MAIN, name)?.tensor.sizeBytes ?? []);
    const width = params.activations === "16" ? 2 : 1;
    const most = own.reduce((sum, bytes) => sum + (bytes / 4) * width + 4 + 2, pairs);
    return { before: constants.reduce((sum, name) => sum + gone(name, 1), 0), least: 0, most };
  }
  const { source, channels, bias } = weight;
  const elements = source.tensor.sizeBytes / 4;
  const before =
    (layerUses > 0 ? gone(source.name, layerUses) : 0) +
    gone(bias, 1) +
    affine.flatMap((part) => part.inputs).reduce((sum, name) => sum + gone(name, 1), 0);
  const whole = params.weights === "tensor" || (params.target === "qnn" && kind !== "conv");
  const scales = whole && kind !== "embedding" ? 1 : channels;
  const codes = Math.ceil((elements * (kind === "embedding" ? 8 : params.bits)) / 8) + 4 * scales;
  if (kind === "embedding") return { before, least: codes, most: codes };
  const biased = bias !== "" || affine.length > 0;
  const biasBytes = biased ? 4 * channels + (params.target === "tensorrt" ? 0 : 4 * scales) : 0;
  const own = codes + biasBytes;
  return { before, least: layerUses === 0 ? 0 : own, most: own + scales + pairs };
}

const KINDS: Readonly<Record<Layer["kind"], string>> = {
  conv: "integer convolution",
  gemm: "integer product",
  matmul: "integer product, float output",
  embedding: "8-bit rows",
  share: "moves 8-bit codes",
  join: "8-bit concatenation, a scale per input",
  pool: "8-bit pooling",
  add: "8-bit sum",
  mul: "8-bit elementwise product",
  unary: "8-bit table of a function",
  product: "integer product of two activations",
  op: "between codes",
};
function detailOf(layer: Layer, { bits }: UnitParams): string {
  const { kind, weight, affine, activation, rounds } = layer;
  const parts: string[] = [kind === "matmul" && rounds ? KINDS.gemm : KINDS[kind]];
  if (weight)
    parts.unshift(
      `[${weight.source.tensor.shape.join(", ")}] float32 → ${kind === "embedding" ? 8 : bits} bit,`,
    );
  const absorbed = affine.map(({ op }) => op);
  if (absorbed.length > 0) parts.push(`with ${absorbed.join(" and ")} folded in`);
  if (activation) parts.push(`up to ${activation.op}`);
  return parts.join(" ");
}
