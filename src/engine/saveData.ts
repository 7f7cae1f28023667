/** External data files of a model that is being saved: written anew, copied, or left where they are. */
import { existsSync, linkSync, mkdirSync, realpathSync, renameSync } from "node:fs";
import path from "node:path";
import type { EncodedFile } from "../formats/index.ts";
import type { Task } from "../shared/task.ts";
import { dataNameOf, freeName, sameContent } from "./saveContent.ts";
import type { Target } from "./saveTarget.ts";
import { writePieces } from "./saveWrite.ts";

/**
 * `new`: written under a name made of its content. `copy`: as it is, under its own name, which is
 * free beside the target. `there`: it is beside the target already.
 */
export type Fate = "new" | "copy" | "there";

export interface PlannedData extends EncodedFile {
  readonly fate: Fate;
}

export async function fateOf({ kept }: EncodedFile, folder: string, task: Task): Promise<Fate> {
  if (!kept) return "new";
  const place = path.join(folder, kept.location);
  if (!existsSync(place)) return "copy";
  return (await sameContent(place, kept.path, task)) ? "there" : "new";
}

/**
 * Makes one data file ready in the staging folder; gives the name that the model refers to it by.
 * @throws EngineError, FormatError, Cancelled
 */
export async function stageData(
  file: PlannedData,
  {
    folder,
    target,
    stem,
    uncached,
  }: {
    readonly folder: string;
    readonly target: Target;
    readonly stem: string;
    readonly uncached?: boolean | undefined;
  },
  onBytes: (count: number) => void,
  task: Task,
): Promise<string> {
  const { kept, fate, pieces, sizeBytes } = file;
  if (kept && fate !== "new") {
    const staged = path.join(folder, kept.location);
    mkdirSync(path.dirname(staged), { recursive: true });
    // The model is tried where it is staged, so what it needs has to be there too.
    if (fate === "there" && linked(path.join(target.folder, kept.location), staged))
      onBytes(sizeBytes);
    else await writePieces(staged, pieces, onBytes, task, { uncached });
    return kept.location;
  }
  const temporary = path.join(folder, "data");
  // A checksum is taken of the written file.
  const past = uncached === true && file.needsChecksum !== true;
  await writePieces(temporary, pieces, onBytes, task, { uncached: past });
  const named = (digits: string): string => dataNameOf(stem, digits);
  const name = await freeName(target.folder, temporary, null, named, task);
  renameSync(temporary, path.join(folder, name));
  return name;
}

/** False where the file system has no such links: then the bytes are needed twice for a while. */
function linked(from: string, to: string): boolean {
  try {
    // The file itself, where its place is a link to it.
    linkSync(realpathSync(from), to);
    return true;
  } catch {
    return false;
  }
}
