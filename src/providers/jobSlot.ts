/** The one job that a document may have running: its progress, its cancellation, its turn. */
import { Cancelled, engineErrors } from "../shared/errors.ts";
import type { Signal } from "../shared/task.ts";
import type { CallOptions } from "../shared/wire.ts";

export interface RunningJob {
  readonly title: string;
  readonly fraction: number;
  readonly message: string;
}

export class JobSlot {
  readonly #onChange: () => void;
  #job: { readonly state: RunningJob; readonly abort: AbortController } | null = null;

  /** @param onChange told of each start, progress and end */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get running(): RunningJob | null {
    return this.#job?.state ?? null;
  }

  /** False when there was nothing to cancel. */
  cancel(): boolean {
    if (!this.#job) return false;
    this.#job.abort.abort();
    return true;
  }

  /** @throws EngineError naming the job that is running. */
  refuseWhenBusy(): void {
    if (this.#job) throw engineErrors.busy(this.#job.state.title);
  }

  /**
   * @param signal cancels the job from outside, as `cancel` does
   * @param late whether a result that came although the job was cancelled counts: that of a save
   *   does, since the file is written
   * @throws Cancelled
   */
  async run<T>(
    title: string,
    signal: Signal | undefined,
    work: (options: CallOptions) => Promise<T>,
    late: "counts" | "dropped" = "dropped",
  ): Promise<T> {
    this.refuseWhenBusy();
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted === true) abort.abort();
    const show = (fraction: number, message: string): void => {
      this.#job = { state: { title, fraction, message }, abort };
      this.#onChange();
    };
    show(0, "");
    try {
      const onProgress = (fraction: number, message: string): void => {
        if (!abort.signal.aborted) show(fraction, message);
      };
      const result = await work({ signal: abort.signal, onProgress });
      if (abort.signal.aborted && late === "dropped") throw new Cancelled();
      return result;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#job = null;
      this.#onChange();
    }
  }
}
