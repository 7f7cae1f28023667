/**
 * High biases moved on to the next layer: a channel that is never below c keeps its information when
 * c is taken off before the activation and W·c is added behind the next layer; its range gets smaller
 * by c. Nagel et al. 2019, section 4.1.3 (arXiv:1906.04721), which knows mean and deviation from
 * BatchNormalization; here they are measured, since it is folded by then.
 */
import type { WorkContext } from "../../../core/context.ts";
import { intAttr } from "../../../core/attributes.ts";
import { nodeKey, nodeLabel, type GraphNode } from "../../../core/model.ts";
import { valueAt, type Need, type Place } from "../../../core/statistics.ts";
import type { Skip } from "../../../shared/report.ts";
import type { Chain, ChainLayer } from "./equalization.ts";

/** `spread`: mean − 3 standard deviations, as the paper; `least`: the smallest value that was seen. */
export type AbsorbMode = "none" | "spread" | "least";

/** c commutes with these: f(x − c) = f(x) − c for x ≥ c ≥ 0. */
const SHIFTS = new Set([
  "Relu",
  "LeakyRelu",
  "PRelu",
  "Clip",
  "Identity",
  "Dropout",
  "MaxPool",
  "GlobalMaxPool",
  "GlobalAveragePool",
  "Flatten",
  "Reshape",
]);

/** Layers of a chain, but the last, whose high biases cannot move on, with the reason. */
export const absorptionSkips = ({ layers }: Chain): readonly Skip[] =>
  layers.slice(0, -1).flatMap((one, i) => {
    const next = layers[i + 1];
    const reason = next ? staysHigh(one, next) : null;
    const { path, node } = one.layer;
    return reason === null ? [] : [{ name: `${nodeLabel(path, node)} (bias)`, reason }];
  });

/** Why the biases of the first layer cannot be absorbed by the second; null when they can. */
export function staysHigh({ between }: ChainLayer, { layer, added }: ChainLayer): string | null {
  for (const node of between) {
    if (node.op === "AveragePool" && padded(node) && intAttr(node, "count_include_pad") === 1)
      return `its bias stays: ${node.op} after it averages zeros of the padding`;
    if (!SHIFTS.has(node.op) && node.op !== "Add" && node.op !== "AveragePool")
      return `its bias stays: ${node.op} after it does not pass a shift`;
  }
  const { node, op, bias } = layer;
  if (op === "ConvTranspose")
    return "its bias stays: ConvTranspose after it overlaps unevenly at borders";
  if (op === "Conv" && padded(node))
    return "its bias stays: the Conv after it pads with zeros, which would not be shifted along";
  return op === "MatMul" && !added && !bias
    ? "its bias stays: the MatMul after it has no bias to take it in"
    : null;
}

function padded(node: GraphNode): boolean {
  const { auto_pad: auto, pads } = node.attrs;
  if (auto?.kind === "string" && auto.value !== "NOTSET" && auto.value !== "VALID") return true;
  return pads?.kind === "ints" && pads.value.some((pad) => pad !== 0);
}

/** What a layer gives, with its bias, before any activation. */
function resultOf({ layer, added }: ChainLayer): Place {
  const { path, node, op } = layer;
  const axis = op === "Conv" || op === "ConvTranspose" ? 1 : -1;
  return valueAt(path, nodeKey(added?.node ?? node), axis);
}

/** Shifts below this share of a channel's spread are rounding, not bias. */
const NOTICEABLE = 1e-3;

/** c of each channel of a layer as it is, [channels], all ≥ 0; null where there is nothing to absorb. */
export async function highBias(
  one: ChainLayer,
  mode: Exclude<AbsorbMode, "none">,
  ctx: WorkContext,
): Promise<Float64Array | null> {
  const at = resultOf(one);
  const moments: Need<"moments"> = { stat: "moments", at, of: "before" };
  const ranges: Need<"channelRange"> = { stat: "channelRange", at, of: "before" };
  const [{ mean, variance }, { min }] = await Promise.all([ctx.stat(moments), ctx.stat(ranges)]);
  const shifts = Float64Array.from(mean, (average, c) => {
    const spread = Math.sqrt(variance[c] ?? 0);
    const shift = mode === "spread" ? average - 3 * spread : (min[c] ?? 0);
    return shift > NOTICEABLE * (Math.abs(average) + spread) ? shift : 0;
  });
  return shifts.some((shift) => shift > 0) ? shifts : null;
}
