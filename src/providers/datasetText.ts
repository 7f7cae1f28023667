/** Paths in a dataset.json are relative to it, so that a folder of data can move. */
import path from "node:path";

/** Where a dataset.json names a file or folder. */
const PATH_KEYS: ReadonlySet<string> = new Set(["file", "folder", "vocab", "labels"]);

/** The same JSON, indented, with absolute paths made relative to `folder`; null for what is no object. */
export function relativeDataset(text: string, folder: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text, (key, part: unknown) =>
      PATH_KEYS.has(key) && typeof part === "string" && path.isAbsolute(part)
        ? path.relative(folder, part).split(path.sep).join("/")
        : part,
    );
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return `${JSON.stringify(value, null, 2)}\n`;
}
