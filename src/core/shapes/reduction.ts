/** Reductions over axes. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { multiply, normalizeAxes, unknownDims } from "./dims.ts";
import {
  axisOf,
  formatDims,
  needRank,
  value,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

/** The axes came as input in operator set 18 (13 for ReduceSum); absent means all of them. */
function reducedShape(c: RuleContext, shape: readonly Dim[]): readonly Dim[] | null {
  const keep = c.int("keepdims", 1) === 1;
  const attribute = c.ints("axes");
  const given = c.has(1) ? c.input(1).data : attribute;
  const none = (!c.has(1) && attribute === null) || given?.length === 0;
  if (none && c.int("noop_with_empty_axes", 0) === 1) return shape;
  const axes = none ? shape.map((_, i) => i) : normalizeAxes(given, shape.length);
  if (axes === null && given?.every((axis) => typeof axis === "number") === true)
    c.problem(`The axes [${given.join(", ")}] are not all within ${shape.length} dimensions.`);
  if (axes === null) return keep ? unknownDims(shape.length) : null;
  return shape.flatMap((dim, i) => (axes.includes(i) ? (keep ? [1] : []) : [dim]));
}

type Fold = (data: readonly Dim[]) => Dim;
const overNumbers =
  (f: (a: number, b: number) => number): Fold =>
  (data) =>
    data.reduce((a, b) => (typeof a === "number" && typeof b === "number" ? f(a, b) : null));

const reduce =
  (fold?: Fold): Rule =>
  (c) => {
    const { dtype: type, shape, data } = c.input(0);
    const out = shape === null ? null : reducedShape(c, shape);
    const folded =
      fold && data !== null && data.length > 0 && shape?.length === 1 && (out?.[0] ?? 1) === 1
        ? [fold(data)]
        : null;
    return [value(type, out, folded)];
  };

const arg: Rule = (c) => {
  const { shape } = c.input(0);
  const axis = shape === null ? null : axisOf(c, shape.length, 0);
  const keep = c.int("keepdims", 1) === 1;
  return [
    value(
      dtype("int64"),
      shape === null || axis === null
        ? null
        : shape.flatMap((dim, i) => (i === axis ? (keep ? [1] : []) : [dim])),
    ),
  ];
};

/** A scalar, or one value per label; the second output is the log-probabilities. */
const loss: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  needRank(c, 2, "The weight", 1);
  const labels = c.input(1).shape;
  const rest = shape === null ? null : [shape[0] ?? null, ...shape.slice(2)];
  const differs = rest?.some((dim, i) => {
    const other = labels?.[i] ?? null;
    return typeof dim === "number" && typeof other === "number" && dim !== other;
  });
  if (rest && labels && (rest.length !== labels.length || differs === true))
    c.problem(`Labels ${formatDims(labels)} do not fit scores ${formatDims(shape ?? [])}.`);
  const each = c.text("reduction", "mean") === "none";
  return [value(type, each ? c.input(1).shape : []), value(type, shape)];
};

export const reductionRules: RuleTable = {
  ReduceSum: reduce(overNumbers((a, b) => a + b)),
  ReduceProd: reduce((data) => data.reduce(multiply)),
  ReduceMax: reduce(overNumbers(Math.max)),
  ReduceMin: reduce(overNumbers(Math.min)),
  ReduceMean: reduce(),
  ReduceL1: reduce(),
  ReduceL2: reduce(),
  ReduceLogSum: reduce(),
  ReduceLogSumExp: reduce(),
  ReduceSumSquare: reduce(),
  Det: (c) => [value(c.input(0).dtype, c.input(0).shape?.slice(0, -2) ?? null)],
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
  ArgMax: arg,
  ArgMin: arg,
};
