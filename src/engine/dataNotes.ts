/** What should be known of what a model is fed with, told without running it. */
import type { Model } from "../core/model.ts";
import type { Split } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import { ioOf } from "./modelIo.ts";

/** Notes of parts of the data, in sentences, each once. @throws DataError when it does not fit */
export async function dataNotes(
  model: Model,
  data: string,
  splits: readonly Split[],
): Promise<readonly string[]> {
  const io = ioOf(model);
  const notes = new Set<string>();
  for (const split of splits)
    for (const note of (await openData(data, io, split)).notes) notes.add(note);
  return [...notes];
}
