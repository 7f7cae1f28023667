/** Failures as the command line shows them. */
import type { Failure } from "../shared/errors.ts";
import type { Style } from "./style.ts";

export type ExitCode = 0 | 1 | 2 | 130;

/** 1: a gate or the result failed; 130: cancelled; 2: everything else. */
export function exitCodeOf(failure: Failure): ExitCode {
  if (failure.code === "cancelled") return 130;
  return failure.code === "gate" || failure.code === "result" ? 1 : 2;
}

/** One paragraph: what is wrong, then what would be right. A stack follows only for our own defects. */
export function failureText(failure: Failure, style: Style): string {
  if (failure.code === "cancelled") return style.warn("Cancelled; nothing was written.");
  const label = style.bad(style.bold("error:"));
  if (failure.code === "internal")
    return `${label} ${failure.message} This is a defect of Lathe; please report it with what follows.\n${failure.where ?? ""}`.trimEnd();
  return `${label} ${failure.message}${failure.hint === undefined ? "" : ` ${failure.hint}`}`;
}

/** What `--json` prints for any failure: all four keys, always. */
export const failureJson = (failure: Failure): unknown => ({
  error: {
    code: failure.code,
    message: failure.message,
    where: failure.where ?? null,
    hint: failure.hint ?? null,
  },
});
