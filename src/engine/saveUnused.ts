/** Data files that no model uses any more. */
import { readdirSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { kindOf } from "../shared/modelPath.ts";
import { closeFile, openModel } from "./files.ts";

/** More models in one folder than this are not looked through; then nothing is removed. */
const MAX_NEIGHBOURS = 64;

/** Removes those of the files in the model's folder that no model there uses now. */
export function removeUnused(file: string, before: readonly string[]): void {
  const folder = path.dirname(file);
  const mine = before.filter((data) => path.dirname(data) === realpathSync(folder));
  if (mine.length === 0) return;
  const models = [folder, path.dirname(folder)].flatMap((place) => {
    try {
      return readdirSync(place).map((name) => path.join(place, name));
    } catch {
      return [];
    }
  });
  const neighbours = models.filter((name) => ["onnx", "shards"].includes(kindOf(name) ?? ""));
  if (neighbours.length > MAX_NEIGHBOURS) return;
  const used = new Set<string>();
  for (const neighbour of neighbours) {
    try {
      for (const { path: name } of openModel(neighbour).files) used.add(name);
    } catch {
      // Unreadable now does not mean that it does not need the data.
      return;
    } finally {
      closeFile(neighbour);
    }
  }
  for (const data of mine)
    if (!used.has(data)) {
      closeFile(data);
      rmSync(data, { force: true });
    }
}
