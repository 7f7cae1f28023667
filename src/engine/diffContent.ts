/** Whether two tensors hold the same bytes, read side by side until they differ. */
import type { Tensor } from "../core/model.ts";
import type { EngineEnv } from "./env.ts";

const CHUNK_BYTES = 1 << 20;

/**
 * @param budget bytes that may still be read; what was read is taken off
 * @returns null when the budget ran out before a difference was found
 */
export function sameContent(
  env: Pick<EngineEnv, "readBytes">,
  a: Tensor,
  b: Tensor,
  budget: { bytes: number },
): boolean | null {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join() || a.sizeBytes !== b.sizeBytes)
    return false;
  // The first chunk is small: tensors that differ mostly do so at once.
  for (let at = 0, step = 4096; at < a.sizeBytes; at += step, step = CHUNK_BYTES) {
    const length = Math.min(step, a.sizeBytes - at);
    if ((budget.bytes -= length) < 0) return null;
    const [x, y] = [env.readBytes(a, at, length), env.readBytes(b, at, length)];
    if (Buffer.compare(x, y) !== 0) return false;
  }
  return true;
}
