/** What long work is given: a way to hear of its cancellation and to tell how far it is. */

/** The part of AbortSignal that is used; pure code has neither DOM nor Node types for the whole. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface Task {
  readonly signal: Signal;
  /** Fraction done, 0 to 1, which never goes back; and what is being done now. */
  progress(fraction: number, message?: string): void;
}

/** Stands in where a caller gives no task, or it is too late to cancel: progress is unheard. */
export const UNHEARD: Task = {
  signal: { aborted: false, addEventListener: () => {}, removeEventListener: () => {} },
  progress: () => {},
};
