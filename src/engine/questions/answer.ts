/** Keeps answers below the limit of a message (1 MB), whatever a file puts into names. */
import { type Dim, type GraphPath, type Value } from "../../core/model.ts";
import type { ShapeTable } from "../../core/shapeInference.ts";
import type { IoView } from "../../shared/protocol.ts";

/** Rows per answer: beyond this a caller asks again. */
export const MAX_ROWS = 1000;
/** Half of the limit, because JSON escapes may double a text. */
const MAX_CHARS = 500_000;

/** The leading rows that fit into one answer; at least one, so that a caller who pages on gets there. */
export function fitting<T>(rows: Iterable<T>, maxChars = MAX_CHARS): T[] {
  const out: T[] = [];
  let chars = 0;
  for (const row of rows) {
    chars += JSON.stringify(row).length;
    if (out.length > 0 && (chars > maxChars || out.length >= MAX_ROWS)) break;
    out.push(row);
  }
  return out;
}

/** A text of at most `limit` characters; what is cut off is counted. */
export const clip = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} more characters)`;

/** Case-insensitive filter on any of several texts. */
export function matches(filter: string, ...texts: readonly string[]): boolean {
  if (filter === "") return true;
  const wanted = filter.toLowerCase();
  return texts.some((text) => text.toLowerCase().includes(wanted));
}

/** Stands for the dimensions of a value whose rank is not known. */
const UNKNOWN_RANK: readonly Dim[] = ["…"];

/** A value with what the file declares and what follows from the operators. */
export function ioView(
  shapes: ShapeTable,
  path: GraphPath,
  name: string,
  declared: Value | undefined,
): IoView {
  const dtype = shapes.dtypeOf(path, name)?.name;
  return {
    name,
    dtype: declared && declared.type !== "tensor" ? declared.type : (dtype ?? "unknown"),
    shape: shapes.shapeOf(path, name) ?? UNKNOWN_RANK,
  };
}
