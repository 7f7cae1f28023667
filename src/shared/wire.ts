/**
 * Calls, answers, failures, progress, cancellation and events over any pair of message ports:
 * a forked child, a webview, or two ends in one process. A failure always arrives as a failure.
 */
import { Cancelled, fromFailure, toFailure, type Failure } from "./errors.ts";
import type { Answer, Params } from "./protocol.ts";
import type { Signal, Task } from "./task.ts";

export interface Port {
  post(frame: unknown): void;
  onMessage(listener: (frame: unknown) => void): void;
  /** The other side is gone; called at most once. */
  onClose(listener: (reason: string) => void): void;
}

type Frame =
  | {
      readonly kind: "call";
      readonly id: number;
      readonly method: string;
      readonly params: unknown;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | {
      readonly kind: "progress";
      readonly id: number;
      readonly fraction: number;
      readonly message: string;
    }
  | { readonly kind: "ok"; readonly id: number; readonly value: unknown }
  | { readonly kind: "fail"; readonly id: number; readonly failure: Failure }
  | { readonly kind: "event"; readonly name: string; readonly value: unknown };

/** Events of a side that sends none. */
export type NoEvents = Record<string, never>;

/** Every method of `A`, with a task; a missing one does not compile. */
export type Handlers<A> = {
  readonly [K in keyof A]: (p: Params<A, K>, task: Task) => Promise<Answer<A, K>> | Answer<A, K>;
};

export interface CallOptions {
  readonly signal?: Signal;
  readonly onProgress?: (fraction: number, message: string) => void;
}

export interface Client<A, E = NoEvents> {
  /** @throws LatheError of the class that the other side threw; Cancelled; code `gone` when it died. */
  call<K extends keyof A & string>(
    method: K,
    params: Params<A, K>,
    options?: CallOptions,
  ): Promise<Answer<A, K>>;
  on<K extends keyof E & string>(name: K, listener: (value: E[K]) => void): void;
  /** Calls that have no answer yet. */
  readonly pending: number;
}

export interface Server<E = NoEvents> {
  emit<K extends keyof E & string>(name: K, value: E[K]): void;
}

/** The two progress messages a call may send per tenth of a second are its first and its latest. */
const PROGRESS_INTERVAL_MS = 100;

/** Minimal abort controller: pure code has no DOM or Node type for one. */
class Abort implements Signal {
  aborted = false;
  readonly #listeners = new Set<() => void>();
  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }
  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * Answers calls arriving at `port`.
 * @param now clock in ms for throttling progress; pure code has none of its own.
 * @param reasonOf what is told of a call that failed, by its parameters and what was thrown
 */
export function serve<A extends object, E = NoEvents>(
  port: Port,
  handlers: Handlers<A>,
  now: () => number,
  reasonOf: (params: unknown, error: unknown) => unknown = (_, error) => error,
): Server<E> {
  const running = new Map<number, Abort>();
  port.onClose(() => {
    for (const abort of running.values()) abort.abort();
  });
  port.onMessage((raw) => {
    const frame = raw as Frame;
    if (frame.kind === "cancel") running.get(frame.id)?.abort();
    if (frame.kind !== "call") return;
    const { id, method, params } = frame;
    const abort = new Abort();
    running.set(id, abort);
    const reply = (answer: Frame): void => {
      running.delete(id);
      port.post(answer);
    };
    void answerCall(handlers, method, params, {
      signal: abort,
      progress: throttledProgress(id, port, now, () => running.has(id)),
    }).then(
      (value) => reply({ kind: "ok", id, value }),
      (error: unknown) =>
        reply({
          kind: "fail",
          id,
          failure: toFailure(abort.aborted ? new Cancelled() : reasonOf(params, error)),
        }),
    );
  });
  return { emit: (name, value) => port.post({ kind: "event", name, value } satisfies Frame) };
}

async function answerCall<A extends object>(
  handlers: Handlers<A>,
  method: string,
  params: unknown,
  task: Task,
): Promise<unknown> {
  if (!Object.hasOwn(handlers, method)) throw new Error(`unknown method ${method}`);
  const handler = handlers[method as keyof A] as (p: unknown, t: Task) => unknown;
  return await handler(params, task);
}

function throttledProgress(
  id: number,
  port: Port,
  now: () => number,
  alive: () => boolean,
): Task["progress"] {
  let highest = 0;
  let sentAt = -Infinity;
  let sentMessage = "";
  return (fraction, message = sentMessage) => {
    highest = Math.min(1, Math.max(highest, fraction));
    if (!alive() || (now() - sentAt < PROGRESS_INTERVAL_MS && highest < 1)) return;
    sentAt = now();
    sentMessage = message;
    port.post({ kind: "progress", id, fraction: highest, message } satisfies Frame);
  };
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly onProgress: CallOptions["onProgress"];
}

/** A client of whatever `serve` offers at the other end of `port`. */
export function connect<A extends object, E = NoEvents>(port: Port): Client<A, E> {
  let nextId = 1;
  let closed: string | null = null;
  const pending = new Map<number, Pending>();
  const listeners = new Map<string, ((value: unknown) => void)[]>();
  const gone = (method: string, reason: string): Error =>
    fromFailure({
      code: "gone",
      message: `The engine process ended during ${method} (${reason}).`,
      where: method,
      hint: "Your file is unchanged. Try again; the engine restarts by itself.",
    });
  port.onClose((reason) => {
    closed = reason;
    for (const call of pending.values()) call.reject(gone("a request", reason));
    pending.clear();
  });
  port.onMessage((raw) => {
    const frame = raw as Frame;
    if (frame.kind === "event") {
      for (const listener of listeners.get(frame.name) ?? []) listener(frame.value);
      return;
    }
    if (frame.kind === "call" || frame.kind === "cancel") return;
    const call = pending.get(frame.id);
    if (!call) return;
    if (frame.kind === "progress") {
      call.onProgress?.(frame.fraction, frame.message);
      return;
    }
    pending.delete(frame.id);
    if (frame.kind === "ok") call.resolve(frame.value);
    else call.reject(fromFailure(frame.failure));
  });
  return {
    get pending() {
      return pending.size;
    },
    on(name, listener) {
      const list = listeners.get(name) ?? [];
      list.push(listener as (value: unknown) => void);
      listeners.set(name, list);
    },
    async call(method, params, options = {}) {
      if (closed !== null) throw gone(method, closed);
      if (options.signal?.aborted === true) throw new Cancelled();
      const id = nextId++;
      const abort = (): void => port.post({ kind: "cancel", id } satisfies Frame);
      options.signal?.addEventListener("abort", abort);
      try {
        return (await new Promise<unknown>((resolve, reject) => {
          pending.set(id, { resolve, reject, onProgress: options.onProgress });
          port.post({ kind: "call", id, method, params } satisfies Frame);
        })) as never;
      } finally {
        options.signal?.removeEventListener("abort", abort);
      }
    },
  };
}
