/** Written bytes go to the disk while more are written, so that the flush at the end is short. */
import { fdatasync, fsync } from "node:fs";
import { promisify } from "node:util";

/**
 * Enough that the disk writes long runs, little enough that it begins early. On a virtual disk that
 * takes 2.3 GB/s, writing 1.5 GB took 0.6 s, and flushing it at the end as long again.
 */
const EVERY_BYTES = 64 * 1024 * 1024;

export interface EarlyFlush {
  wrote(count: number): void;
  /** Flushes what was written up to now, if no flush is under way. */
  begin(): void;
  /** All is on disk. @throws the system's error of this flush or of an earlier one. */
  finish(): Promise<void>;
  /** No flush is under way any more: the descriptor may be closed. */
  settle(): Promise<void>;
}

export function earlyFlush(descriptor: number): EarlyFlush {
  let waiting = 0;
  let running: Promise<void> | null = null;
  // The system tells of a write that failed only once: the flush that hears of it keeps it.
  let failed: { readonly error: unknown } | null = null;
  const begin = (): void => {
    if (running !== null) return;
    waiting = 0;
    running = promisify(fdatasync)(descriptor)
      .catch((error: unknown) => {
        failed ??= { error };
      })
      .finally(() => {
        running = null;
      });
  };
  const settle = async (): Promise<void> => {
    if (running) await running;
  };
  return {
    wrote(count) {
      waiting += count;
      if (waiting >= EVERY_BYTES) begin();
    },
    begin,
    settle,
    async finish() {
      await settle();
      if (failed) throw failed.error;
      await promisify(fsync)(descriptor);
    },
  };
}
