/** The entries a command works with: typed as -t and -p, or read from a recipe file. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Entry, ParamValues } from "../shared/doc.ts";
import { engineErrors, paramErrors, usageErrors } from "../shared/errors.ts";
import { parseParam, readParams } from "../shared/params.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import {
  isTarget,
  presetsFor,
  TARGETS,
  targetOf,
  whyNot,
  type TargetId,
} from "../shared/presets.ts";
import type { Arguments, TypedEntry } from "./arguments.ts";

export interface Wanted {
  readonly entries: readonly Entry[];
  /** Absolute path of the data the recipe names, if any. */
  readonly data: string | null;
  /** The runtime that it is for, where one was chosen. */
  readonly target: TargetId | null;
}

export const isRecipe = (file: string): boolean => file.toLowerCase().endsWith(".lathe.json");
/** Bytes of the largest recipe accepted: a thousand entries with long scopes stay far below. */
const MAX_RECIPE_BYTES = 4 << 20;

/**
 * @param recipe path of a recipe, when one is given in place of -t or --preset.
 * @throws ParamError, LatheError (usage), EngineError.
 */
export function wantedEntries(
  command: string,
  args: Pick<Arguments, "entries" | "text">,
  recipe: string | null,
  catalog: readonly CatalogEntry[],
): Wanted {
  const typed = args.entries;
  const preset = args.text("preset");
  if (preset !== null) {
    const other = recipe === null ? (typed.length > 0 ? "-t" : null) : `the recipe ${recipe}`;
    if (other !== null) throw usageErrors.presetAndOther(preset, other);
    const target = targetOf([], args.text("target")) ?? "onnxruntime";
    return { entries: presetEntries(preset, target, catalog), data: null, target };
  }
  if (args.text("target") !== null) throw usageErrors.targetWithoutPreset();
  if (recipe === null) {
    if (typed.length === 0) throw usageErrors.nothingToApply(command);
    const entries = typed.map((entry) => typedEntry(entry, catalog));
    return { entries, data: null, target: targetOf(entries, null) };
  }
  if (typed.length > 0) throw usageErrors.recipeAndTechniques(recipe);
  return readRecipe(recipe, readText(recipe), catalog);
}

function presetEntries(
  id: string,
  target: TargetId,
  catalog: readonly CatalogEntry[],
): readonly Entry[] {
  const presets = presetsFor(target);
  const preset = presets.find((one) => one.id === id);
  if (!preset)
    throw usageErrors.presetNotFor(
      id,
      target,
      presets.map((one) => one.id),
      whyNot(id, target),
    );
  return preset.entries.map(({ transform, params }) => {
    const technique = findTechnique(transform, catalog);
    return { transform, params: readParams(technique.id, technique.params, params) };
  });
}

export function findTechnique(id: string, catalog: readonly CatalogEntry[]): CatalogEntry {
  const found = catalog.find((entry) => entry.id === id);
  if (found === undefined)
    throw paramErrors.unknownTransform(
      id,
      catalog.map((entry) => entry.id),
    );
  return found;
}

function typedEntry(typed: TypedEntry, catalog: readonly CatalogEntry[]): Entry {
  const technique = findTechnique(typed.technique, catalog);
  const given = Object.fromEntries(
    typed.params.map(([key, text]) => {
      const param = technique.params[key];
      return [key, param === undefined ? text : parseParam(param, text)];
    }),
  );
  return {
    transform: technique.id,
    params: readParams(technique.id, technique.params, given),
    ...(typed.scope.length > 0 ? { scope: typed.scope } : {}),
  };
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw engineErrors.notFound(file);
    throw engineErrors.notReadable(file, (error as Error).message);
  }
  if (bytes.length > MAX_RECIPE_BYTES)
    throw paramErrors.badRecipe(
      file,
      `it has ${bytes.length} bytes, more than ${MAX_RECIPE_BYTES}`,
    );
  return bytes.toString("utf8");
}

/** @throws ParamError naming what is wrong and which entry. */
export function readRecipe(file: string, text: string, catalog: readonly CatalogEntry[]): Wanted {
  const bad = (problem: string): Error => paramErrors.badRecipe(file, problem);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw bad(`it is not JSON (${(error as Error).message})`);
  }
  if (!isObject(json)) throw bad("it is not a JSON object");
  if (json["version"] !== 1) throw bad(`its version is ${JSON.stringify(json["version"])}, not 1`);
  const { entries: listed, data, target } = json;
  if (!Array.isArray(listed)) throw bad('it has no list "entries"');
  if (data !== undefined && typeof data !== "string") throw bad('"data" is not a path');
  if (target !== undefined && !(typeof target === "string" && isTarget(target)))
    throw bad(
      `its target is ${JSON.stringify(target)}, none of ${TARGETS.map(({ id }) => id).join(", ")}`,
    );
  const entries = listed.map((entry: unknown, i) =>
    recipeEntry(entry, `entry ${i + 1}`, bad, catalog),
  );
  return {
    entries,
    data: data === undefined ? null : path.resolve(path.dirname(file), data),
    target: targetOf(entries, target ?? null),
  };
}

function recipeEntry(
  entry: unknown,
  name: string,
  bad: (problem: string) => Error,
  catalog: readonly CatalogEntry[],
): Entry {
  if (!isObject(entry)) throw bad(`${name} is not an object`);
  const { transform, params = {}, scope, seed, holdOut } = entry;
  if (typeof transform !== "string") throw bad(`${name} has no "transform"`);
  if (!isObject(params)) throw bad(`the params of ${name} are not an object`);
  if (scope !== undefined && !isTextList(scope))
    throw bad(`the scope of ${name} is not a list of names`);
  if (seed !== undefined && !Number.isSafeInteger(seed))
    throw bad(`the seed of ${name} is not a whole number`);
  if (holdOut !== undefined && typeof holdOut !== "boolean")
    throw bad(`holdOut of ${name} is neither true nor false`);
  const technique = findTechnique(transform, catalog);
  return {
    transform,
    params: readParams(technique.id, technique.params, params),
    ...(scope === undefined ? {} : { scope }),
    ...(seed === undefined ? {} : { seed: seed as number }),
    ...(holdOut === undefined ? {} : { holdOut }),
  };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

/** "bits=4 block=32": the parameters that differ from their defaults first would hide what was used, so all. */
export const paramsText = (params: ParamValues): string =>
  Object.entries(params)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(" ");
