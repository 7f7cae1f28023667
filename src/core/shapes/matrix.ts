/** Matrix products, plain and quantized. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { broadcastShapes } from "./dims.ts";
import {
  broadcast,
  formatDims,
  value,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

/** Shape of A·B as numpy.matmul defines it; vectors are promoted and the added axis dropped again. */
export function matmulShape(
  a: readonly Dim[] | null,
  b: readonly Dim[] | null,
): readonly Dim[] | null {
  if (a === null || b === null || a.length === 0 || b.length === 0) return null;
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const batch = broadcastShapes([left.slice(0, -2), right.slice(0, -2)]);
  if (batch === null) return null;
  return [
    ...batch,
    ...(a.length === 1 ? [] : [left.at(-2) ?? null]),
    ...(b.length === 1 ? [] : [right.at(-1) ?? null]),
  ];
}

const matmul =
  (b: number, type: (c: RuleContext) => ReturnType<typeof dtype> | null): Rule =>
  (c) => {
    const left = c.input(0).shape;
    const right = c.input(b).shape;
    if (left !== null && right !== null) checkProduct(c, left, right);
    return [value(type(c), matmulShape(left, right))];
  };

function checkProduct(c: RuleContext, left: readonly Dim[], right: readonly Dim[]): void {
  if (left.length === 0 || right.length === 0) {
    c.problem("A scalar has no matrix product.");
    return;
  }
  const inner = left.at(-1);
  const rows = right.length === 1 ? right[0] : right.at(-2);
  if (typeof inner === "number" && typeof rows === "number" && inner !== rows)
    c.problem(
      `${formatDims(left)} times ${formatDims(right)}: the inner sizes ${inner} and ${rows} differ.`,
    );
  broadcast(c, [left.slice(0, -2), right.slice(0, -2)]);
}

const swapLast = (shape: readonly Dim[] | null): readonly Dim[] | null =>
  shape === null || shape.length < 2
    ? shape
    : [...shape.slice(0, -2), shape.at(-1) ?? null, shape.at(-2) ?? null];

const fusedMatMul: Rule = (c) => [
  value(
    c.input(0).dtype,
    matmulShape(
      c.int("transA", 0) === 1 ? swapLast(c.input(0).shape) : c.input(0).shape,
      c.int("transB", 0) === 1 ? swapLast(c.input(1).shape) : c.input(1).shape,
    ),
  ),
];

const gemm =
  (b: number): Rule =>
  (c) => {
    const a = c.input(0).shape;
    const w = c.input(b).shape;
    const inner = a?.[c.int("transA", 0) === 1 ? 0 : 1];
    const rows = w?.[c.int("transB", 0) === 1 ? 1 : 0];
    for (const shape of [a, w])
      if (shape !== null && shape.length !== 2)
        c.problem(`Gemm multiplies matrices, and ${formatDims(shape)} is none.`);
    if (typeof inner === "number" && typeof rows === "number" && inner !== rows)
      c.problem(`The inner sizes of the product, ${inner} and ${rows}, differ.`);
    return [
      value(c.input(0).dtype, [
        a?.[c.int("transA", 0) === 1 ? 1 : 0] ?? null,
        w?.[c.int("transB", 0) === 1 ? 0 : 1] ?? null,
      ]),
    ];
  };

/** [..., K] times a packed weight gives [..., N]. */
const packedMatMul: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  return [value(type, shape === null ? null : [...shape.slice(0, -1), c.int("N", 0) || null])];
};

/** Explicit (`ij,jk->ik`) and implicit equations; an ellipsis stands for the same dims in all operands. */
const einsum: Rule = (c) => {
  const type = c.input(0).dtype;
  const [left = "", right] = c.text("equation", "").replaceAll(" ", "").split("->");
  const terms = left.split(",");
  const sizes = new Map<string, Dim>();
  let ellipsis: readonly Dim[] | null = [];
  for (const [i, term] of terms.entries()) {
    const shape = c.input(i).shape;
    const [before = "", after] = term.split("...");
    const named = before.length + (after?.length ?? 0);
    if (shape === null) return [value(type, null)];
    if (after === undefined ? shape.length !== named : shape.length < named) {
      c.problem(`The term "${term}" of the equation does not fit ${formatDims(shape)}.`);
      return [value(type, null)];
    }
    const spread = shape.length - named;
    const letters = [...before, ...Array<string>(spread).fill(""), ...(after ?? "")];
    letters.forEach((letter, axis) => {
      const dim = shape[axis] ?? null;
      const known = sizes.get(letter);
      if (letter !== "" && (known === undefined || known === null || known === 1))
        sizes.set(letter, dim);
    });
    if (after !== undefined)
      ellipsis = broadcastShapes([ellipsis, shape.slice(before.length, before.length + spread)]);
  }
  const output = right ?? implicitOutput(terms);
  const [before = "", after] = output.split("...");
  const pick = (letters: string): Dim[] => [...letters].map((letter) => sizes.get(letter) ?? null);
  if (after !== undefined && ellipsis === null) return [value(type, null)];
  return [
    value(type, [
      ...pick(before),
      ...(after === undefined ? [] : (ellipsis ?? [])),
      ...pick(after ?? ""),
    ]),
  ];
};
/** Without `->` the output has the ellipsis, then the letters that occur once, in alphabetical order. */
function implicitOutput(terms: readonly string[]): string {
  const all = terms.join("").replaceAll(".", "");
  const once = [...new Set(all)].filter((letter) => all.split(letter).length === 2).sort();
  return `${terms.some((term) => term.includes("...")) ? "..." : ""}${once.join("")}`;
}

const firstType = (c: RuleContext): ReturnType<typeof dtype> | null => c.input(0).dtype;

export const matrixRules: RuleTable = {
  MatMul: matmul(1, firstType),
  MatMulInteger: matmul(1, () => dtype("int32")),
  // a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
  QLinearMatMul: matmul(3, (c) => c.input(7).dtype),
  Gemm: gemm(1),
  Einsum: einsum,
};

export const microsoftMatrixRules: RuleTable = {
  MatMulNBits: packedMatMul,
  MatMulBnb4: packedMatMul,
  FusedMatMul: fusedMatMul,
  FusedGemm: gemm(1),
  DynamicQuantizeMatMul: matmul(1, firstType),
  MatMulIntegerToFloat: matmul(1, (c) => c.input(2).dtype),
  QGemm: (c) => {
    const [out] = gemm(3)(c);
    return [value(c.has(8) ? c.input(8).dtype : dtype("float32"), out?.shape ?? null)];
  },
};
