/** Identity of a data set on disk, for cache keys: what it lists and the files it lists. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** Larger files are no `dataset.json`. */
const MAX_JSON_BYTES = 2 ** 24;

/**
 * Hash over path, size and time of change of the data and of every file it names. Reads no sample, so
 * it costs little for any size; a file that is missing counts as such.
 */
export function dataIdentity(data: string): string {
  const hash = createHash("sha256");
  const add = (file: string): void => {
    const stat = statSync(file, { throwIfNoEntry: false });
    hash.update(`${file}\n${stat ? `${stat.size} ${stat.mtimeMs}` : "missing"}\n`);
    if (stat?.isDirectory() === true)
      for (const name of readdirSync(file).sort()) {
        const inner = statSync(path.join(file, name), { throwIfNoEntry: false });
        hash.update(`${name} ${inner ? `${inner.size} ${inner.mtimeMs}` : "missing"}\n`);
      }
  };
  const full = path.resolve(data);
  add(full);
  const isFile = statSync(full, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile && !/\.json$/i.test(full)) return hash.digest("hex");
  const json = isFile ? full : path.join(full, "dataset.json");
  const stat = statSync(json, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size > MAX_JSON_BYTES) return hash.digest("hex");
  const text = readFileSync(json, "utf8");
  hash.update(text);
  for (const name of new Set(namesIn(text))) {
    const file = path.resolve(path.dirname(json), name);
    if (existsSync(file)) add(file);
  }
  return hash.digest("hex");
}

/** Every string of the JSON that could be a path. */
function namesIn(text: string): string[] {
  const names: string[] = [];
  try {
    JSON.parse(text, (_key, value: unknown) => {
      if (typeof value === "string" && value.length < 1024) names.push(value);
      return value;
    });
  } catch {
    return []; // Opening it will say what is wrong.
  }
  return names;
}
