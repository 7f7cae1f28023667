/**
 * Arithmetic on dimensions that may be symbols. Products of symbols are written `128*batch*seq`
 * (number first, names sorted), so that equal products are equal strings; anything else that a
 * symbol would need (sums, remainders) is unknown, never a guess.
 */
import type { Dim } from "../model.ts";

interface Monomial {
  readonly factor: number;
  readonly symbols: readonly string[];
}

const ATOM = /^[A-Za-z_][\w.]*$/;

/** Names that are no product of plain names ("a + 1", "2 x") count as one symbol. */
function parse(dim: number | string): Monomial {
  if (typeof dim === "number") return { factor: dim, symbols: [] };
  const parts = dim.split("*");
  if (!parts.every((part, i) => ATOM.test(part) || (i === 0 && /^\d+$/.test(part))))
    return { factor: 1, symbols: [dim] };
  const first = parts[0] ?? "";
  return /^\d/.test(first)
    ? { factor: Number(first), symbols: parts.slice(1) }
    : { factor: 1, symbols: parts };
}

/** More factors than the rank of any tensor; squaring a size again and again must not fill memory. */
const MAX_SYMBOLS = 16;

function format({ factor, symbols }: Monomial): Dim {
  if (factor === 0 || symbols.length === 0) return factor;
  if (symbols.length > MAX_SYMBOLS) return null;
  const sorted = [...symbols].sort();
  return factor === 1 ? sorted.join("*") : [factor, ...sorted].join("*");
}

/** a·b; unknown when either is, except that zero wins. */
export function multiply(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  if (a === null || b === null) return null;
  if (typeof a === "number" && typeof b === "number") return a * b;
  const x = parse(a);
  const y = parse(b);
  return format({ factor: x.factor * y.factor, symbols: [...x.symbols, ...y.symbols] });
}

/** a / b where that is exact for every value of the symbols; unknown otherwise. */
export function divideExactly(a: Dim, b: Dim): Dim {
  if (a === null || b === null || b === 0) return null;
  if (a === b) return 1;
  const x = parse(a);
  const y = parse(b);
  if (x.factor % y.factor !== 0) return null;
  const rest = [...x.symbols];
  for (const symbol of y.symbols) {
    const at = rest.indexOf(symbol);
    if (at < 0) return null;
    rest.splice(at, 1);
  }
  return format({ factor: x.factor / y.factor, symbols: rest });
}

export const product = (dims: readonly Dim[]): Dim => dims.reduce<Dim>(multiply, 1);

export function add(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (a === 0) return b;
  return b === 0 ? a : null;
}

/** The dimension two declarations of the same value agree on; null where they differ or are unknown. */
export const agree = (a: Dim, b: Dim): Dim => (a === b ? a : null);

/** Agreement of two shapes; null when their ranks differ. */
export const agreeShapes = (
  a: readonly Dim[] | null,
  b: readonly Dim[] | null,
): readonly Dim[] | null =>
  a === null || b === null || a.length !== b.length
    ? null
    : a.map((dim, i) => agree(dim, b[i] ?? null));

/**
 * Two dimensions under NumPy broadcasting. A number above 1 wins over a symbol, which can then
 * only be 1 or that number; of two different symbols nothing is known.
 */
function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === "number" && a > 1) return typeof b === "number" ? null : a;
  if (typeof b === "number" && b > 1) return typeof a === "number" ? null : b;
  return null;
}

export function broadcastShapes(shapes: readonly (readonly Dim[] | null)[]): readonly Dim[] | null {
  let out: readonly Dim[] = [];
  for (const shape of shapes) {
    if (shape === null) return null;
    const rank = Math.max(out.length, shape.length);
    const at = (dims: readonly Dim[], i: number): Dim => {
      const j = i - (rank - dims.length);
      return j < 0 ? 1 : (dims[j] ?? null);
    };
    const previous = out;
    out = Array.from({ length: rank }, (_, i) => broadcastDim(at(previous, i), at(shape, i)));
  }
  return out;
}

/** The shape when every dimension is a number. */
export const concrete = (shape: readonly Dim[] | null): readonly number[] | null =>
  shape !== null && shape.every((dim) => typeof dim === "number") ? shape : null;

/** `axis` counted from the front, or null when outside the rank. */
export function normalizeAxis(axis: number, rank: number): number | null {
  const at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? at : null;
}

/** Null for unknown elements as well as for axes outside the rank. */
export function normalizeAxes(
  axes: readonly (Dim | undefined)[] | null,
  rank: number,
): number[] | null {
  if (axes === null) return null;
  const out: number[] = [];
  for (const axis of axes) {
    const at = typeof axis === "number" ? normalizeAxis(axis, rank) : null;
    if (at === null) return null;
    out.push(at);
  }
  return out;
}

export const unknownDims = (rank: number): null[] => Array.from({ length: rank }, () => null);
