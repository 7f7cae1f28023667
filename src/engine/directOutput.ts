/**
 * Writing large files past the system's cache (O_DIRECT), for those that nobody reads soon. Finding
 * memory for the cache and copying into it is most of what writing costs: 6 GB on a busy virtual
 * machine took 24 seconds and 8 of the CPU, and take 4 and 1 this way. There is little to flush, too.
 */
import { closeSync, constants, openSync, write } from "node:fs";
import { promisify } from "node:util";
import { codeOf } from "./files.ts";
import type { CachedOutput, Output } from "./output.ts";

/** Smaller files are in the cache sooner than on the disk. */
export const MIN_DIRECT_BYTES = 64 * 1024 * 1024;
/** One buffer is filled while the other is on its way; with 4 MiB each it took a fifth longer. */
const BUFFER_BYTES = 8 * 1024 * 1024;
const BUFFERS = 2;
const PAGE_BYTES = 64 * 1024;
/** Addresses, places and lengths are multiples of a disk's block, which is no larger anywhere. */
const ALIGNMENT = 4096;

/** Kept for the next file: a model may have dozens. */
let spare: Uint8Array | null = null;

/** Memory that begins at a page, which only WebAssembly's does surely. @throws RangeError without room */
function pages(): Uint8Array {
  const count = (BUFFERS * BUFFER_BYTES) / PAGE_BYTES;
  return new Uint8Array(new WebAssembly.Memory({ initial: count, maximum: count }).buffer);
}

/**
 * @param cached the same file's, which takes what does not fill a block, and everything where the
 *   file system refuses to go past the cache
 * @param memory for the buffers
 * @returns null where the system cannot do this
 */
export function directOutput(
  cached: CachedOutput,
  file: string,
  memory: Uint8Array | null = null,
): Output | null {
  // Windows and macOS have no such flag.
  const flag = (constants as Partial<typeof constants>).O_DIRECT;
  if (flag === undefined) return null;
  let fd: number;
  try {
    fd = openSync(file, constants.O_WRONLY | flag);
  } catch {
    return null;
  }
  let own: Uint8Array;
  try {
    own = memory ?? spare ?? pages();
  } catch {
    closeSync(fd);
    return null;
  }
  if (own === spare) spare = null;
  const buffers = Array.from({ length: BUFFERS }, (_, i) =>
    own.subarray(i * BUFFER_BYTES, (i + 1) * BUFFER_BYTES),
  );
  const bufferOf = (turn: number): Uint8Array => buffers[turn % BUFFERS] ?? own;
  let isRefused = false;
  let end = 0;
  let turn = 0;
  let running: Promise<void> = Promise.resolve();

  /** Gives how many of the bytes were written: all whole blocks of them, or fewer. */
  async function direct(bytes: Uint8Array, at: number): Promise<number> {
    const whole = bytes.length - (bytes.length % ALIGNMENT);
    let done = 0;
    while (done < whole && done % ALIGNMENT === 0 && !isRefused)
      try {
        const { bytesWritten } = await promisify(write)(fd, bytes, done, whole - done, at + done);
        isRefused = bytesWritten === 0;
        done += bytesWritten;
      } catch (error) {
        if (codeOf(error) !== "EINVAL") throw error;
        isRefused = true;
      }
    return done;
  }
  async function append(bytes: Uint8Array, at: number): Promise<void> {
    const done = await direct(bytes, at);
    if (done < bytes.length) cached.put(bytes.subarray(done), at + done);
  }

  return {
    ...cached,
    buffer: bufferOf(0),
    async write(count) {
      await running;
      running = append(bufferOf(turn).subarray(0, count), end);
      // Whoever waits for it hears of it; until then it is not unhandled.
      running.catch(() => {});
      end += count;
      turn += 1;
      return bufferOf(turn);
    },
    written: () => running,
    async close() {
      await running.catch(() => {});
      closeSync(fd);
      if (memory === null) spare = own;
      await cached.close();
    },
  };
}
