/** Whether one tensor is a multiple of another, found without comparing every pair. */
import type { WorkContext } from "../../../core/context.ts";
import type { Tensor } from "../../../core/model.ts";
import { valuesOf } from "../../../core/rows.ts";
import { random } from "../../../shared/random.ts";

export interface Profile {
  readonly norm: number;
  /** Projections of the tensor, divided by its norm, on vectors of random signs. */
  readonly projections: Float64Array;
}

const PROJECTIONS = 8;

/** Null for NaN and infinite values. The signs depend on the position alone. */
export async function profileOf(tensor: Tensor, ctx: WorkContext): Promise<Profile | null> {
  const source = random(1);
  const sums = new Float64Array(PROJECTIONS);
  let square = 0;
  for await (const { values } of valuesOf(ctx, tensor))
    for (const x of values) {
      square += x * x;
      const bits = source.int(1 << PROJECTIONS);
      for (let k = 0; k < PROJECTIONS; k++) sums[k] = (sums[k] ?? 0) + ((bits >> k) & 1 ? x : -x);
    }
  const norm = Math.sqrt(square);
  if (!Number.isFinite(norm)) return null;
  return { norm, projections: sums.map((sum) => (norm > 0 ? sum / norm : 0)) };
}

/** Projections of unit vectors a distance apart differ by about that; five times it leaves none out. */
export function similar(a: Profile, b: Profile, tolerance: number): boolean {
  const far = 1e-4 + 5 * tolerance;
  const within = (sign: number): boolean =>
    a.projections.every((x, i) => Math.abs(x - sign * (b.projections[i] ?? 0)) <= far);
  return within(1) || within(-1);
}

/** The factor c of least ‖a − c·b‖, and ‖a − c·b‖ / ‖a‖. */
export async function multipleOf(
  a: Tensor,
  b: Tensor,
  ctx: WorkContext,
): Promise<{ readonly factor: number; readonly rest: number }> {
  let [ab, bb] = [0, 0];
  for await (const [x, y] of together(a, b, ctx))
    for (let i = 0; i < x.length; i++) {
      ab += (x[i] ?? 0) * (y[i] ?? 0);
      bb += (y[i] ?? 0) ** 2;
    }
  const factor = ab / bb;
  let [left, aa] = [0, 0];
  for await (const [x, y] of together(a, b, ctx))
    for (let i = 0; i < x.length; i++) {
      left += ((x[i] ?? 0) - factor * (y[i] ?? 0)) ** 2;
      aa += (x[i] ?? 0) ** 2;
    }
  return { factor, rest: Math.sqrt(left / aa) };
}

async function* together(
  a: Tensor,
  b: Tensor,
  ctx: WorkContext,
): AsyncGenerator<readonly [Float32Array, Float32Array]> {
  const others = valuesOf(ctx, b);
  for await (const { values } of valuesOf(ctx, a)) {
    const y = await others.next();
    if (y.done !== true) yield [values, y.value.values];
  }
}
