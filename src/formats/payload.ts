/** Tensor data as the writers see it: bytes somewhere in a file, or in memory. */
import type { ByteRange } from "../core/model.ts";

export type Payload = ByteRange | Uint8Array;
