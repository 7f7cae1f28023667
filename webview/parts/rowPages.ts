/** Rows of a long list, fetched in blocks as they come into view and given up when they leave it. */
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { toFailure, type Failure } from "../../src/shared/errors.ts";

export interface RowSlice<Row> {
  readonly total: number;
  readonly rows: readonly Row[];
}
export type FetchRows<Row> = (
  from: number,
  to: number,
  signal: AbortSignal,
) => Promise<RowSlice<Row>>;

/** 200 rows are about 40 kB as JSON: one message, well below the limit of 1 MB. */
const BLOCK = 200;
/** Blocks kept, least recently wanted first out: 12,800 rows. */
const MAX_BLOCKS = 64;
/** While the thumb is dragged, only places where it rests this long are fetched. */
const REST_MS = 40;

export class RowPages<Row> implements ReactiveController {
  /** Null until the first answer. */
  total: number | null = null;
  failure: Failure | null = null;
  readonly #host: ReactiveControllerHost;
  #fetch: FetchRows<Row> | null = null;
  #key: string | null = null;
  #blocks = new Map<number, readonly Row[]>();
  #asked = new Map<number, AbortController>();
  #timer: number | undefined;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#abandon(() => true);
  }

  get loading(): boolean {
    return this.#asked.size > 0;
  }

  /** Starts over when `key` changes; the old total stays until the new one is known. */
  source(key: string, fetch: FetchRows<Row>): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#fetch = fetch;
    this.retry();
  }

  retry(): void {
    this.#abandon(() => true);
    this.#blocks = new Map();
    this.failure = null;
    this.#ask(0);
  }

  readonly rowAt = (index: number): Row | undefined => {
    const block = this.#blocks.get(Math.floor(index / BLOCK));
    return block?.[index % BLOCK];
  };

  /** The index of a loaded row. */
  find(test: (row: Row) => boolean): number | null {
    for (const [block, rows] of this.#blocks) {
      const at = rows.findIndex(test);
      if (at >= 0) return block * BLOCK + at;
    }
    return null;
  }

  need(from: number, to: number): void {
    const first = Math.floor(from / BLOCK);
    const last = Math.floor(Math.max(from, to - 1) / BLOCK);
    this.#abandon((block) => block < first - 1 || block > last + 1);
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      for (let block = first; block <= last; block++) this.#ask(block);
    }, REST_MS);
  }

  #abandon(test: (block: number) => boolean): void {
    for (const [block, abort] of this.#asked)
      if (test(block)) {
        this.#asked.delete(block);
        abort.abort();
      }
  }

  #ask(block: number): void {
    const rows = this.#blocks.get(block);
    if (rows) {
      // Most recently wanted goes to the end of the map's order.
      this.#blocks.delete(block);
      this.#blocks.set(block, rows);
    }
    const fetch = this.#fetch;
    if (rows || !fetch || this.#asked.has(block)) return;
    const abort = new AbortController();
    this.#asked.set(block, abort);
    const current = (): boolean => this.#asked.get(block) === abort;
    fetch(block * BLOCK, (block + 1) * BLOCK, abort.signal).then(
      (slice) => {
        if (!current()) return;
        this.#asked.delete(block);
        this.total = slice.total;
        this.#blocks.set(block, slice.rows);
        for (const oldest of this.#blocks.keys()) {
          if (this.#blocks.size <= MAX_BLOCKS) break;
          this.#blocks.delete(oldest);
        }
        this.#host.requestUpdate();
      },
      (error: unknown) => {
        if (!current()) return;
        this.#asked.delete(block);
        this.failure = toFailure(error);
        this.#host.requestUpdate();
      },
    );
    this.#host.requestUpdate();
  }
}
