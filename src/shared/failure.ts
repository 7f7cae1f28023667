/** What a failure is, its classes, and how it crosses a process boundary; the texts are in errors.ts. */

export type FailureCode =
  | "format"
  | "param"
  | "usage"
  | "engine"
  | "result"
  | "data"
  | "gate"
  | "cancelled"
  | "gone"
  | "changed"
  | "needs-job"
  | "needs-data"
  | "unmeasured"
  | "internal";

/** A failure as it crosses a process boundary and as `--json` prints it. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  /** File, node, tensor, parameter or byte offset. */
  readonly where?: string;
  /** What would be right, or what to do. */
  readonly hint?: string;
}

export class LatheError extends Error {
  override readonly name: string = "LatheError";
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
/** The file is bad or not supported; trying again will not help. */
export class FormatError extends LatheError {
  override readonly name = "FormatError";
}
/** A parameter, recipe or scope is wrong. */
export class ParamError extends LatheError {
  override readonly name = "ParamError";
}
/** The environment: disk, rights, runtime, memory. */
export class EngineError extends LatheError {
  override readonly name = "EngineError";
}
/** The calibration or evaluation data is wrong or does not fit the model. */
export class DataError extends LatheError {
  override readonly name = "DataError";
}
export class Cancelled extends LatheError {
  override readonly name = "Cancelled";
  constructor() {
    super({ code: "cancelled", message: "Cancelled." });
  }
}

/** Any thrown value as a Failure; what is not ours becomes `internal` with its stack. */
export function toFailure(error: unknown): Failure {
  if (error instanceof LatheError) return error.failure;
  if (error instanceof Error)
    return { code: "internal", message: error.message, where: error.stack ?? "" };
  return { code: "internal", message: String(error) };
}
/** The error class that belongs to a Failure received from another process. */
export function fromFailure(failure: Failure): LatheError {
  switch (failure.code) {
    case "cancelled":
      return new Cancelled();
    case "format":
      return new FormatError(failure);
    case "param":
      return new ParamError(failure);
    case "data":
      return new DataError(failure);
    case "engine":
    case "result":
      return new EngineError(failure);
    default:
      return new LatheError(failure);
  }
}

/** Longer names are not typed by hand, and comparing takes time with the square of the length. */
const MAX_TYPED = 100;

/** The known name nearest to a mistyped one (edit distance at most a third of its length), or null. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > MAX_TYPED) return null;
  const typed = name.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    // The lengths' difference is the least that has to be typed.
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(typed, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance, or `limit` when it is that or more. */
function editDistance(a: string, b: string, limit: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  let next = [...row];
  for (let i = 1; i <= a.length; i++) {
    let least = (next[0] = i);
    const from = a.charCodeAt(i - 1);
    for (let j = 1; j <= b.length; j++) {
      const cost = from === b.charCodeAt(j - 1) ? 0 : 1;
      const changed = (row[j - 1] ?? 0) + cost;
      const shorter = Math.min(row[j] ?? 0, next[j - 1] ?? 0) + 1;
      const distance = Math.min(changed, shorter);
      next[j] = distance;
      if (distance < least) least = distance;
    }
    if (least >= limit) return limit;
    [row, next] = [next, row];
  }
  return Math.min(limit, row[b.length] ?? 0);
}

/** For a `switch` over a closed union: unreachable when all cases are handled. */
export function never(value: never): never {
  throw new Error(`unexpected ${String(value)}`);
}

/** A failure's text as the reason of a skip: "the activations of "x" cannot be measured: …", without a full stop. */
export const asReason = ({ failure }: LatheError): string =>
  failure.message.replace(/\.$/, "").replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());
