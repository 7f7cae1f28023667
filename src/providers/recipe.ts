/** Recipes as the providers handle them: compared, recognised, checked before they are run. */
import { rmSync } from "node:fs";
import type { Doc, Entry } from "../shared/doc.ts";
import { paramErrors } from "../shared/errors.ts";
import { readParams } from "../shared/params.ts";
import type { CatalogEntry } from "../shared/protocol.ts";

/** Same entries in the same order; JSON is enough, since entries are only made by `checkedEntry`. */
export const sameRecipe = (a: readonly Entry[], b: readonly Entry[]): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** What names a document in a message: its file and what was done to it. */
export const docKey = (doc: Doc): string => JSON.stringify([doc.base.path, doc.recipe]);

/**
 * The entry with defaults filled in.
 * @throws ParamError when the technique, a parameter or a value is unknown.
 */
export function checkedEntry(catalog: readonly CatalogEntry[], entry: Entry): Entry {
  const technique = catalog.find(({ id }) => id === entry.transform);
  if (!technique)
    throw paramErrors.unknownTransform(
      entry.transform,
      catalog.map(({ id }) => id),
    );
  const params = readParams(technique.id, technique.params, entry.params);
  return {
    transform: technique.id,
    params,
    ...(entry.scope === undefined ? {} : { scope: entry.scope }),
    ...(entry.seed === undefined ? {} : { seed: entry.seed }),
    ...(entry.holdOut === undefined ? {} : { holdOut: entry.holdOut }),
  };
}

/** Where a save puts the recipe: beside the model. */
export const recipeFileOf = (model: string): string => `${model}.lathe.json`;

/** After saving the model without any edit its recipe file would describe something that is not there. */
export const removeRecipeFile = (model: string): void =>
  rmSync(recipeFileOf(model), { force: true });
