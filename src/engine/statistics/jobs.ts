/** What is measured in one pass: jobs that take the values of a batch and add up. */
import { toNumbers, type HostTensor } from "../../shared/hostTensor.ts";
import { NotMeasurable, type ElementSum } from "./elements.ts";
import { matrixOf, type Matrix, type Numbers } from "./matrix.ts";
import { positionsWithin, type Positions } from "./rows.ts";
import type { Opened, PassBatch } from "./running.ts";
import type { Source } from "./source.ts";
import type { RowSum } from "./sums.ts";

export interface Side {
  readonly opened: Opened;
  readonly source: Source;
}

/** A batch, with each value's numbers converted once. */
export interface Batch extends PassBatch {
  numbers(tensor: HostTensor): Numbers;
}
export function withNumbers(batch: PassBatch): Batch {
  const known = new Map<HostTensor, Numbers>();
  return {
    ...batch,
    numbers(tensor) {
      let numbers = known.get(tensor);
      if (!numbers) known.set(tensor, (numbers = toNumbers(tensor)));
      return numbers;
    },
  };
}

export interface Job {
  readonly sides: readonly Side[];
  /** Held while it is collected. */
  readonly bytes: number;
  /** @throws NotMeasurable */
  add(batch: Batch): Promise<void>;
}

const tensorOf = ({ results }: Batch, { opened, source }: Side): HostTensor => {
  const tensor = results.get(opened)?.get(source.value);
  if (!tensor) throw new NotMeasurable("the runtime gave no value");
  return tensor;
};

/**
 * Elements that belong to samples. A model of fixed batch is fed repeats of the last sample; where
 * the first axis is no batch, they cannot be told apart and count.
 */
function countOf({ count, rows }: Batch, tensor: HostTensor, elements: number): number {
  const head = tensor.shape[0] ?? 1;
  return count < rows && head % rows === 0 ? (elements / rows) * count : elements;
}

export class ElementJob implements Job {
  readonly bytes = 0;
  readonly sides: readonly [Side];
  readonly #sum: ElementSum;
  constructor(side: Side, sum: ElementSum) {
    this.sides = [side];
    this.#sum = sum;
  }
  add(batch: Batch): Promise<void> {
    const tensor = tensorOf(batch, this.sides[0]);
    const numbers = batch.numbers(tensor);
    this.#sum.add(numbers, countOf(batch, tensor, numbers.length), tensor.shape);
    return Promise.resolve();
  }
}

/** Values of a chunk: 1 MB of float32, so that a chunk stays in the second cache. */
const CHUNK_VALUES = 2 ** 18;

/** Sums over the same chosen rows of one place, or of two places at once. */
export class RowJob implements Job {
  readonly sides: readonly Side[];
  readonly sums: readonly RowSum[];
  readonly bytes: number;
  rows = 0;
  readonly #positions: Positions;
  #buffers: Float32Array[] = [];

  constructor(
    sides: readonly Side[],
    sums: readonly RowSum[],
    positions: Positions,
    bytes: number,
  ) {
    this.sides = sides;
    this.sums = sums;
    this.bytes = bytes;
    this.#positions = positions;
  }

  async add(batch: Batch): Promise<void> {
    const { feeder } = this.#lead.opened;
    const perSample = this.#positions.total / feeder.samples;
    const from = Math.floor(batch.first * perSample);
    const to = Math.floor((batch.first + batch.count) * perSample);
    const taken = this.sides.map((side) => {
      const tensor = tensorOf(batch, side);
      const matrix = matrixOf(side.source.view, tensor.shape);
      if (!matrix) throw new NotMeasurable(`its shape is [${tensor.shape.join(", ")}]`);
      return { matrix, numbers: batch.numbers(tensor) };
    });
    const [a, b] = taken;
    if (!a) throw new Error("a job has a side");
    const available = Math.min(...taken.map(({ matrix }) => matrix.rows));
    if (available === 0) return;
    let which = positionsWithin(this.#positions, from, to);
    // A value that is the same for any batch counts for each sample.
    if (available < to - from) which = which.map((row) => row % available);
    const step = Math.max(
      1,
      Math.min(which.length, Math.floor(CHUNK_VALUES / Math.max(1, a.matrix.columns))),
    );
    for (let at = 0; at < which.length; at += step) {
      const count = Math.min(step, which.length - at);
      const data = this.#gather(0, a, which, at, count);
      const other = b ? this.#gather(1, b, which, at, count) : null;
      for (const sum of this.sums) await sum.add({ data, other, count });
      this.rows += count;
    }
  }

  get #lead(): Side {
    const [lead] = this.sides;
    if (!lead) throw new Error("a job has a side");
    return lead;
  }

  #gather(
    index: number,
    { matrix, numbers }: { readonly matrix: Matrix; readonly numbers: Numbers },
    which: Float64Array,
    at: number,
    count: number,
  ): Float32Array {
    const need = count * matrix.columns;
    let buffer = this.#buffers[index];
    if (!buffer || buffer.length < need) this.#buffers[index] = buffer = new Float32Array(need);
    matrix.gather(numbers, which, at, at + count, buffer);
    return buffer;
  }
}
