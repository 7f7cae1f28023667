/** One question to the engine and its answer, as a page needs them: loading, answered, failed. */
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { toFailure, type Failure } from "../../src/shared/errors.ts";

export type Ask<T> = (signal: AbortSignal, progress: Progress) => Promise<T>;
export type Progress = (fraction: number, message: string) => void;

export class Question<T> implements ReactiveController {
  /** The latest answer. It stays while the next one is awaited, so that the page does not jump. */
  value: T | null = null;
  failure: Failure | null = null;
  loading = false;
  progress: { readonly fraction: number; readonly message: string } | null = null;
  readonly #host: ReactiveControllerHost;
  #key: string | null = null;
  #call: Ask<T> | null = null;
  #abort: AbortController | null = null;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#abort?.abort();
  }

  /** Asks unless `key` is what was asked last. `subject` names what the old answer must share to be kept. */
  ask(key: string, call: Ask<T>, keepAnswer = true): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#call = call;
    if (!keepAnswer) this.value = null;
    void this.#run();
  }

  retry(): void {
    void this.#run();
  }

  cancel(): void {
    this.#abort?.abort();
  }

  clear(): void {
    if (this.#key === null) return;
    this.#abort?.abort();
    this.#abort = null;
    this.#key = null;
    this.#call = null;
    this.value = null;
    this.failure = null;
    this.loading = false;
    this.progress = null;
    this.#host.requestUpdate();
  }

  async #run(): Promise<void> {
    const call = this.#call;
    if (!call) return;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const current = (): boolean => this.#abort === abort;
    this.loading = true;
    this.failure = null;
    this.progress = null;
    this.#host.requestUpdate();
    try {
      const value = await call(abort.signal, (fraction, message) => {
        if (!current()) return;
        this.progress = { fraction, message };
        this.#host.requestUpdate();
      });
      if (current()) this.value = value;
    } catch (error) {
      // A superseded or cancelled question leaves everything as it was.
      const failure = toFailure(error);
      if (current() && failure.code !== "cancelled") this.failure = failure;
      if (current() && failure.code === "cancelled") this.#key = null;
    }
    if (!current()) return;
    this.loading = false;
    this.progress = null;
    this.#host.requestUpdate();
  }
}
