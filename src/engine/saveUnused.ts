/** Data files that no model uses any more. */
import { readdirSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { kindOf } from "../shared/modelPath.ts";
import { closeFile, openModel } from "./files.ts";

/** More models in one folder than this are not looked through; then nothing is removed. */
const MAX_NEIGHBOURS = 64;
/** Files named in a note. */
const MAX_NAMES = 3;

/**
 * Removes those of the files in the model's folder that no model there uses now.
 * @returns why all were kept although the model itself no longer needs them; null where they were not
 */
export function removeUnused(file: string, before: readonly string[]): string | null {
  const folder = path.dirname(file);
  const mine = before.filter((data) => path.dirname(data) === realpathSync(folder));
  if (mine.length === 0) return null;
  const models = [folder, path.dirname(folder)].flatMap((place) => {
    try {
      return readdirSync(place).map((name) => path.join(place, name));
    } catch {
      return [];
    }
  });
  const neighbours = models.filter((name) => ["onnx", "shards"].includes(kindOf(name) ?? ""));
  const used = new Set(filesOf(file));
  const spare = mine.filter((data) => !used.has(data));
  if (spare.length === 0) return null;
  const names = spare.slice(0, MAX_NAMES).map((data) => `"${path.basename(data)}"`);
  const kept = `${names.join(", ")}${spare.length > names.length ? ` and ${spare.length - names.length} more` : ""} of the model before ${spare.length === 1 ? "was" : "were"} kept`;
  if (neighbours.length > MAX_NEIGHBOURS)
    return `${kept}: there are ${neighbours.length} models in this folder and the one above, too many to look which needs what.`;
  for (const neighbour of neighbours) {
    const files = filesOf(neighbour);
    // Unreadable now does not mean that it does not need the data.
    if (files === null)
      return `${kept}: "${neighbour}" could not be read, and may need ${spare.length === 1 ? "it" : "them"}.`;
    for (const name of files) used.add(name);
  }
  for (const data of spare)
    if (!used.has(data)) {
      closeFile(data);
      rmSync(data, { force: true });
    }
  return null;
}

/** Null for a model that cannot be read. */
function filesOf(model: string): readonly string[] | null {
  try {
    return openModel(model).files.map(({ path: name }) => name);
  } catch {
    return null;
  } finally {
    closeFile(model);
  }
}
