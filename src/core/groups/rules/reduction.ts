/** Operators that mix an axis: whatever they mix along stays, since fewer channels would change the rest. */
import type { GraphNode } from "../../model.ts";
import type { Tracer } from "../tracer.ts";
import { at, input, output, passExcept, pinInputs, type Rule, type RuleTable } from "./rule.ts";

const positive = (t: Tracer, node: GraphNode, axis: number): number =>
  axis < 0 ? axis + t.rank(input(node, 0)) : axis;
const opset = (t: Tracer): number => t.model.opsets.get("") ?? t.model.opsets.get("ai.onnx") ?? 1;

const reduce: Rule = (t, node) => {
  const x = input(node, 0);
  const listed = t.ints(node, "axes", 1);
  if (!listed && input(node, 1) !== "") {
    pinInputs(t, node, `${at(t, node)} computes its axes`);
    return;
  }
  const all = t.allTags(x);
  const none = (listed ?? []).length === 0;
  if (none && t.int(node, "noop_with_empty_axes", 0) === 1) {
    t.set(output(node), all);
    return;
  }
  const gone = (axis: number): boolean =>
    none || (listed ?? []).some((a) => positive(t, node, a) === axis);
  all.forEach((tags, axis) => {
    if (gone(axis)) t.atoms.pin(tags, `${at(t, node)} reduces over them`);
  });
  const keep = t.int(node, "keepdims", 1) === 1;
  t.set(
    output(node),
    all.flatMap((tags, axis) => (gone(axis) ? (keep ? [null] : []) : [tags])),
  );
};

const argReduce: Rule = (t, node) =>
  reduce(t, { ...node, attrs: { ...node.attrs, axes: node.attrs["axis"] ?? ZERO } });
const ZERO = { kind: "ints", value: [0] } as const;

/** Before opset 13 all axes from the given one on are mixed. */
const softmax: Rule = (t, node) => {
  const old = opset(t) < 13;
  const axis = positive(t, node, t.int(node, "axis", old ? 1 : -1));
  passExcept(t, node, (a) => (old ? a >= axis : a === axis), "normalizes over them");
};
const layerNorm: Rule = (t, node) => {
  const first = positive(t, node, t.int(node, "axis", -1));
  passExcept(t, node, (axis) => axis >= first, "normalizes over them");
  for (const name of node.inputs.slice(1)) t.pin(name, `${at(t, node)} normalizes over them`);
};
const alongAxis =
  (fallback: number, what: string): Rule =>
  (t, node) => {
    const axis = positive(t, node, t.int(node, "axis", fallback));
    passExcept(t, node, (a) => a === axis, what);
  };
const channelAxis =
  (what: string): Rule =>
  (t, node) => {
    passExcept(t, node, (axis) => axis === 1, what);
    for (const name of node.inputs.slice(1)) t.pin(name, `${at(t, node)} ${what}`);
  };

const table = (ops: string, rule: Rule): RuleTable =>
  Object.fromEntries(ops.split(" ").map((op) => [op, rule]));

export const reductionRules: RuleTable = {
  ...table(
    "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare",
    reduce,
  ),
  ...table("ArgMax ArgMin", argReduce),
  ...table("Softmax LogSoftmax Hardmax", softmax),
  ...table("LayerNormalization RMSNormalization SimplifiedLayerNormalization", layerNorm),
  LpNormalization: alongAxis(-1, "normalizes over them"),
  CumSum: (t, node) => passExcept(t, node, () => true, "sums along an axis"),
  LRN: channelAxis("normalizes over neighbouring channels"),
  GroupNormalization: channelAxis("normalizes over groups of them"),
  MeanVarianceNormalization: (t, node) => {
    const axes = t.ints(node, "axes", -1) ?? [0, 2, 3];
    passExcept(t, node, (axis) => axes.includes(axis), "normalizes over them");
  },
};
