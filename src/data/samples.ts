/** Samples of one input, labels or expected outputs: read by range, so that no data set has to fit in memory. */
import type { DtypeName } from "../shared/dtype.ts";
import type { HostData } from "../shared/hostTensor.ts";

export interface Samples {
  /** File or folder, for error texts. */
  readonly path: string;
  readonly dtype: DtypeName;
  readonly count: number;
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** Values of samples [from, to), in C order. */
  read(from: number, to: number): Promise<HostData>;
}

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const showShape = (shape: readonly (number | string | null)[]): string =>
  `[${shape.map((dim) => dim ?? "?").join(", ")}]`;

/** Samples that are in memory as a whole; axis 0 of `shape` counts them. */
export function inMemory(
  path: string,
  dtype: DtypeName,
  shape: readonly number[],
  data: HostData,
): Samples {
  const [count = 1, ...own] = shape;
  const size = product(own);
  return {
    path,
    dtype,
    count,
    shape: own,
    read: (from, to) => Promise.resolve(data.slice(from * size, to * size)),
  };
}

/**
 * The same values as `count` samples of shape `shape`: an array without a sample axis becomes one
 * sample, a stream becomes segments. Both sides must divide evenly.
 */
export function regrouped(samples: Samples, count: number, shape: readonly number[]): Samples {
  const rows = samples.count / count;
  return {
    ...samples,
    count,
    shape,
    read: (from, to) => samples.read(from * rows, to * rows),
  };
}
