/** Attention in its forms, and the states that decoding carries along. */
import type { Dim } from "../model.ts";
import { add, divideExactly, multiply } from "./dims.ts";
import { broadcast, needRank, value, type Rule, type RuleTable } from "./rule.ts";

/**
 * Operator set 23: Q, K, V as [B, heads, S, D] or [B, S, heads·D]. The output is like Q with the
 * head size of V; then follow keys and values with the cached ones in front, and Q·Kᵀ.
 */
const attention: Rule = (c) => {
  ["query", "key", "value"].forEach((name, i) => needRank(c, i, `The ${name}`, 3, 4));
  const isPacked = c.input(0).shape?.length === 3;
  for (const name of isPacked ? ["q_num_heads", "kv_num_heads"] : [])
    if (c.int(name, 0) < 1) c.problem(`Inputs of three dimensions need the attribute "${name}".`);
  const { dtype: type } = c.input(0);
  const [q, k, v] = [
    headed(c.input(0).shape, c.int("q_num_heads", 0)),
    headed(c.input(1).shape, c.int("kv_num_heads", 0)),
    headed(c.input(2).shape, c.int("kv_num_heads", 0)),
  ];
  if (q === null || k === null || v === null) return [value(type, null)];
  const [batch = null, heads = null, length = null] = q;
  const [, , , width = null] = v;
  const packed = c.input(0).shape?.length === 3;
  const cached = (past: number, now: readonly Dim[]): readonly Dim[] => {
    const before = c.has(past) ? (c.input(past).shape?.[2] ?? null) : 0;
    return now.map((dim, i) => (i === 2 ? add(before, dim) : dim));
  };
  const keys = cached(4, k);
  return [
    value(type, packed ? [batch, length, multiply(heads, width)] : [batch, heads, length, width]),
    value(c.input(1).dtype, keys),
    value(c.input(2).dtype, cached(5, v)),
    value(type, [batch, heads, length, keys[2] ?? null]),
  ];
};
/** [B, heads, S, D] from either form; null when the number of heads is not known. */
function headed(shape: readonly Dim[] | null, heads: number): readonly Dim[] | null {
  if (shape?.length === 4) return shape;
  if (shape?.length !== 3 || heads < 1) return null;
  const [batch = null, length = null, hidden = null] = shape;
  return [batch, heads, length, divideExactly(hidden, heads)];
}

/** Q [B, heads, L, E], K [B, kv heads, S, E], V [B, kv heads, S, Ev] give [B, heads, L, Ev]. */
const flexAttention: Rule = (c) => {
  ["query", "key", "value"].forEach((name, i) => needRank(c, i, `The ${name}`, 4));
  const q = c.input(0).shape;
  const v = c.input(2).shape;
  return [value(c.input(0).dtype, q && [...q.slice(0, 3), v?.[3] ?? null])];
};

/** Packed heads [B, T, heads·D]; the state that comes with the output is [B, kv heads, Dk, Dv]. */
const linearAttention: Rule = (c) => {
  ["query", "key", "value"].forEach((name, i) => needRank(c, i, `The ${name}`, 3));
  needRank(c, 3, "The past state", 4);
  needRank(c, 4, "The decay", 3);
  needRank(c, 5, "The beta", 3);
  const [query, key, values, past] = [c.input(0), c.input(1), c.input(2), c.input(3)];
  const heads = c.int("q_num_heads", 0);
  const kvHeads = c.int("kv_num_heads", 0);
  const width = (shape: readonly Dim[] | null): Dim => divideExactly(shape?.[2] ?? null, kvHeads);
  const [batch = null, length = null] = query.shape ?? [];
  const valueWidth = width(values.shape);
  return [
    value(query.dtype, [batch, length, multiply(heads, valueWidth)]),
    value(c.has(3) ? past.dtype : query.dtype, [batch, kvHeads, width(key.shape), valueWidth]),
  ];
};

/** X [B, C, L], W [C, 1, k]: an output like X, and the last k - 1 positions for the next call. */
const causalConv: Rule = (c) => {
  needRank(c, 0, "The input", 3);
  needRank(c, 1, "The weight", 3);
  needRank(c, 2, "The bias", 1);
  const activation = c.text("activation", "none");
  if (!["none", "silu", "swish"].includes(activation))
    c.problem(`The activation is "${activation}", and can be none, silu or swish.`);
  const { dtype: type, shape } = c.input(0);
  const kernel = c.input(1).shape?.[2] ?? null;
  return [value(type, shape), value(type, shape && [...shape.slice(0, 2), add(kernel, -1)])];
};

export const attentionRules: RuleTable = {
  Attention: attention,
  LinearAttention: linearAttention,
  CausalConvWithState: causalConv,
  TensorScatter: (c) => [value(c.input(0).dtype, c.input(0).shape)],
  SwiGLU: (c) => [value(c.input(0).dtype, broadcast(c, [c.input(0).shape, c.input(1).shape]))],
};
export const previewRules: RuleTable = { FlexAttention: flexAttention };
