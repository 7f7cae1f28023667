/** Which kind of data a path holds, and how it is opened. */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { dataErrors } from "../shared/errors.ts";
import { bind, type BoundData } from "./bind.ts";
import type { Dataset, ModelIo, Split } from "./dataset.ts";
import { openDatasetJson } from "./datasetJson.ts";
import { openIdx } from "./idx.ts";
import { openImageFolder } from "./imageFolder.ts";
import { openNpz } from "./npz.ts";
import { openPlainText } from "./plainText.ts";
import { openTable } from "./table.ts";

/**
 * Opens data for a model.
 * @throws DataError when it is missing, of no known kind, or does not fit the model.
 */
export async function openData(
  dataPath: string,
  io: ModelIo,
  split: Split = "evaluation",
): Promise<BoundData> {
  return bind(await openKind(path.resolve(dataPath), io, split), io);
}

async function openKind(full: string, io: ModelIo, split: Split): Promise<Dataset> {
  const stat = statSync(full, { throwIfNoEntry: false });
  if (!stat) throw dataErrors.missing(full);
  if (stat.isDirectory()) {
    const files = readdirSync(full);
    if (files.includes("dataset.json"))
      return openDatasetJson(path.join(full, "dataset.json"), split);
    withoutSplit(full, split);
    if (files.includes("labels.csv")) return openImageFolder(full, io);
    const images = files.find((file) => IDX.test(file) && /images/.test(file));
    if (images !== undefined) return openIdx(path.join(full, images), io);
    throw dataErrors.unknownKind(full);
  }
  if (/\.json$/i.test(full)) return openDatasetJson(full, split);
  withoutSplit(full, split);
  if (/\.npz$/i.test(full)) return openNpz(full, io);
  if (/\.(csv|jsonl)$/i.test(full)) return openTable(full, io);
  if (IDX.test(path.basename(full))) return openIdx(full, io);
  if (/\.(txt|text|md)$/i.test(full)) return openPlainText(full, io);
  throw dataErrors.unknownKind(full);
}

const IDX = /[-.]idx\d-ubyte(\.gz)?$/i;

/** Samples for calibration must not be those of the evaluation, and only dataset.json tells them apart. */
function withoutSplit(full: string, split: Split): void {
  if (split === "calibration")
    throw dataErrors.bad(
      full,
      "calibration",
      "it has no samples set aside for calibration",
      'Write a dataset.json with a "calibration" section beside "inputs".',
    );
}
