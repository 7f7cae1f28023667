/** Element by element, with broadcasting: what meets at one index goes together. */
import type { GraphNode } from "../../model.ts";
import type { Tags } from "../atoms.ts";
import type { Tracer } from "../tracer.ts";
import { at, input, output, pass, type Rule, type RuleTable } from "./rule.ts";

/** Sums join two streams of equal standing (a residual); products apply a gate to one. */
const SUMS = new Set(["Add", "Sub", "Sum", "Mean", "Max", "Min"]);

/** The channels of inputs that are combined element by element along one axis of the result. */
export function meet(
  t: Tracer,
  node: GraphNode,
  names: readonly string[],
  fromEnd: number,
  size: unknown,
): Tags | null {
  let found: Tags | null = null;
  const streams = new Set<string>();
  let blocked = false;
  const tagged: Tags[] = [];
  for (const name of names) {
    const dim = t.dims(name)?.at(-fromEnd);
    if (fromEnd > t.rank(name) || (dim === 1 && size !== 1)) continue;
    const tags = t.tags(name, -fromEnd);
    if (!tags) blocked = true;
    else {
      tagged.push(tags);
      if (!t.isConstant(name)) streams.add(t.originOf(name));
      found ??= tags;
    }
  }
  const reason = `${at(t, node)} combines them with values that are no channels`;
  for (const tags of tagged)
    if (blocked) t.atoms.pin(tags, reason);
    else if (found) t.atoms.unify(found, tags, reason);
  // Two views of one stream (a rotary embedding) are no residual.
  if (found && streams.size > 1 && SUMS.has(node.op)) t.atoms.markResidual(found);
  return found;
}

const broadcast: Rule = (t, node) => {
  const names = node.inputs.filter((name) => name !== "");
  const dims = t.dims(output(node));
  if (!dims || names.some((name) => t.dims(name) === null)) {
    for (const name of names) t.pin(name, `a shape at ${at(t, node)} is not known`);
    return;
  }
  t.set(
    output(node),
    dims.map((dim, axis) => meet(t, node, names, dims.length - axis, dim)),
  );
};

const table = (ops: string, rule: Rule): RuleTable =>
  Object.fromEntries(ops.split(" ").map((op) => [op, rule]));

export const elementwiseRules: RuleTable = {
  ...table(
    "Add Sub Mul Div Pow Mod Max Min Sum Mean PRelu Where Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitShift",
    broadcast,
  ),
  ...table(
    "Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Gelu FastGelu QuickGelu Swish Mish Erf Exp Log Sqrt Reciprocal Abs Neg Sign Floor Ceil Round Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Clip Dropout Identity Cast CastLike Not BitwiseNot IsNaN IsInf ThresholdedRelu Shrink",
    (t, node) => {
      // FastGelu adds a bias first.
      if (node.op === "FastGelu" && input(node, 1) !== "") broadcast(t, node);
      else pass(t, node);
    },
  ),
};
