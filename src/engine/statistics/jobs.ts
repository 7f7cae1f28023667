/** What is measured in one pass: jobs that take the values of a batch and add up. */
import { toNumbers, type HostTensor } from "../../shared/hostTensor.ts";
import { NotMeasurable, type ElementSum } from "./elements.ts";
import { matrixOf, type Numbers } from "./matrix.ts";
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
  /** To be called when all batches were added, before its sums are read. */
  complete(): Promise<void>;
  /** Lets go of the sums. */
  free(): void;
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
  complete(): Promise<void> {
    return Promise.resolve();
  }
  free(): void {
    // A range, or a histogram: small, and histograms still need the ranges.
  }
}

/**
 * Rows that are summed at once. Always as many, whatever batches they come in, so that sums do not
 * depend on the memory there was.
 */
const CHUNK_ROWS = 1024;
/** 32 MB of float32; wider rows come in smaller chunks. */
const CHUNK_VALUES = 2 ** 23;

export const chunkRows = (columns: number, rows: number): number =>
  Math.min(rows, CHUNK_ROWS, Math.max(16, Math.floor(CHUNK_VALUES / Math.max(1, columns))));

interface Filling {
  readonly sums: readonly RowSum[];
  /** One per side, `rows` of them filled. */
  readonly chunks: readonly Float32Array[];
  rows: number;
}

export interface RowJobOptions {
  readonly sides: readonly Side[];
  /** Values of a row of each side. */
  readonly columns: readonly number[];
  readonly positions: Positions;
  readonly bytes: number;
  /** Made when the first rows come: jobs of later passes hold no memory yet. */
  readonly makeSums: () => readonly RowSum[];
}

/** Sums over the same chosen rows of one place, or of two places at once. */
export class RowJob implements Job {
  readonly sides: readonly Side[];
  readonly bytes: number;
  rows = 0;
  readonly #options: RowJobOptions;
  readonly #capacity: number;
  #filling: Filling | null = null;

  constructor(options: RowJobOptions) {
    const { sides, columns, positions, bytes } = options;
    this.#options = options;
    this.#capacity = chunkRows(Math.max(...columns), positions.rows);
    this.sides = sides;
    this.bytes = bytes + columns.reduce((sum, count) => sum + count * this.#capacity * 4, 0);
  }

  async add(batch: Batch): Promise<void> {
    const { sides, positions, columns } = this.#options;
    const [lead] = sides;
    if (!lead) throw new Error("a job has a side");
    const perSample = positions.total / lead.opened.feeder.samples;
    const from = Math.floor(batch.first * perSample);
    const to = Math.floor((batch.first + batch.count) * perSample);
    const taken = sides.map((side, i) => {
      const tensor = tensorOf(batch, side);
      const matrix = matrixOf(side.source.view, tensor.shape);
      if (matrix === null || matrix.columns !== columns[i])
        throw new NotMeasurable(`its shape is [${tensor.shape.join(", ")}] for some sample`);
      return { matrix, numbers: batch.numbers(tensor) };
    });
    const available = Math.min(...taken.map(({ matrix }) => matrix.rows));
    if (available === 0) return;
    let which = positionsWithin(positions, from, to);
    // A value that is the same for any batch counts for each sample.
    if (available < to - from) which = which.map((row) => row % available);
    const filling = (this.#filling ??= {
      sums: this.#options.makeSums(),
      chunks: columns.map((count) => new Float32Array(count * this.#capacity)),
      rows: 0,
    });
    for (let at = 0; at < which.length;) {
      const count = Math.min(which.length - at, this.#capacity - filling.rows);
      for (const [i, { matrix, numbers }] of taken.entries()) {
        const chunk = filling.chunks[i]?.subarray(filling.rows * matrix.columns);
        if (chunk) matrix.gather(numbers, which, at, at + count, chunk);
      }
      filling.rows += count;
      at += count;
      if (filling.rows === this.#capacity) await this.#sum(filling);
    }
  }

  async #sum(filling: Filling): Promise<void> {
    const [data, other = null] = filling.chunks;
    if (!data) throw new Error("a job has a side");
    for (const sum of filling.sums) await sum.add({ data, other, count: filling.rows });
    this.rows += filling.rows;
    filling.rows = 0;
  }

  async complete(): Promise<void> {
    if (this.#filling && this.#filling.rows > 0) await this.#sum(this.#filling);
  }
  /** @throws NotMeasurable when no rows came */
  answer(index: number): object {
    const sum = this.#filling?.sums[index];
    if (!sum || this.rows === 0) throw new NotMeasurable("it has no rows");
    return sum.finish(this.rows);
  }
  free(): void {
    this.#filling = null;
  }
}
