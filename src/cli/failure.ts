/** Failures as the command line shows them. */
import type { Failure } from "../shared/errors.ts";
import type { Style } from "./style.ts";

export type ExitCode = 0 | 1 | 2 | 130;

/** 1: a gate or the result failed; 130: cancelled; 2: everything else. */
export function exitCodeOf(failure: Failure): ExitCode {
  if (failure.code === "cancelled") return 130;
  return failure.code === "gate" || failure.code === "result" ? 1 : 2;
}

const REPORT = "This is a defect of Lathe; please report it with its place.";
const hintOf = (failure: Failure): string | undefined =>
  failure.code === "internal" ? REPORT : failure.hint;

/** One paragraph: what is wrong, then what would be right. A stack follows only for our own defects. */
export function failureText(failure: Failure, style: Style): string {
  if (failure.code === "cancelled") return style.warn("Cancelled; nothing was written.");
  const hint = hintOf(failure);
  const text = `${style.bad(style.bold("error:"))} ${failure.message}${hint === undefined ? "" : ` ${hint}`}`;
  return failure.code === "internal" ? `${text}\n${failure.where ?? ""}`.trimEnd() : text;
}

/** What `--json` prints for any failure: all four keys, always. */
export const failureJson = (failure: Failure): unknown => ({
  error: {
    code: failure.code,
    message: failure.message,
    where: failure.where ?? null,
    hint: hintOf(failure) ?? null,
  },
});
