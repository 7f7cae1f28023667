/** Copying a file, flushed to disk: the physical limit that saving is held against. */
import { measure } from "./process.ts";
import type { Measured } from "./process.ts";

/** `cp` without sharing blocks, then `sync` of those files. */
export const copyFile = (
  from: string,
  to: string,
  ...companions: readonly (readonly [from: string, to: string])[]
): Promise<Measured> =>
  measure({
    program: "sh",
    args: [
      "-c",
      'while [ $# -gt 0 ]; do cp --reflink=never "$1" "$2" && sync "$2" || exit 1; shift 2; done',
      "sh",
      from,
      to,
      ...companions.flat(),
    ],
  });
