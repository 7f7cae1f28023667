/** Copying a file, flushed to disk: the physical limit that saving is held against. */
import { measure } from "./process.ts";
import type { Measured } from "./process.ts";

/** `cp` without sharing blocks, then `sync` of that one file. */
export const copyFile = (from: string, to: string): Promise<Measured> =>
  measure({
    program: "sh",
    args: ["-c", 'cp --reflink=never "$1" "$2" && sync "$2"', "sh", from, to],
  });
