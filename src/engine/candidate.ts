/** Techniques as text: what a parameter of an analyzer can hold. */
import type { Entry } from "../shared/doc.ts";
import { LatheError, paramErrors } from "../shared/errors.ts";
import { parseParam, readParams } from "../shared/params.ts";
import { findTransform } from "./compute.ts";

/**
 * "quantize.weightOnly bits=4", several separated by ";"; or JSON, an entry or a list of them.
 * @throws ParamError naming what is wrong
 */
export function parseCandidate(who: string, text: string): readonly Entry[] {
  const trimmed = text.trim();
  const entries = /^[[{]/.test(trimmed)
    ? fromJson(who, trimmed)
    : trimmed
        .split(";")
        .filter((part) => part.trim() !== "")
        .map((part) => fromWords(who, part.trim()));
  if (entries.length === 0)
    throw paramErrors.badValue(
      who,
      "candidate",
      text,
      'a technique with its parameters, for example "quantize.weightOnly bits=4"',
    );
  return entries;
}

function fromWords(who: string, text: string): Entry {
  const [id = "", ...pairs] = text.split(/\s+/);
  const { meta } = findTransform(id);
  const given = pairs.map((pair): [string, unknown] => {
    const equals = pair.indexOf("=");
    if (equals < 1)
      throw paramErrors.badValue(who, "candidate", pair, "key=value, for example bits=4");
    const key = pair.slice(0, equals);
    const value = pair.slice(equals + 1);
    const param = meta.params[key];
    return [key, param === undefined ? value : parseParam(param, value)];
  });
  return { transform: id, params: readParams(id, meta.params, Object.fromEntries(given)) };
}

function fromJson(who: string, text: string): readonly Entry[] {
  const bad = (expected: string): LatheError =>
    paramErrors.badValue(who, "candidate", text.slice(0, 200), expected);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw bad(`valid JSON (${(error as Error).message})`);
  }
  return (Array.isArray(json) ? json : [json]).map((entry: unknown): Entry => {
    if (typeof entry !== "object" || entry === null || !("transform" in entry))
      throw bad('an entry of a recipe: {"transform": ID, "params": {…}}');
    const { transform, params = {} } = entry as { transform: unknown; params?: unknown };
    if (typeof transform !== "string" || typeof params !== "object" || params === null)
      throw bad('an entry of a recipe: {"transform": ID, "params": {…}}');
    const { meta } = findTransform(transform);
    return {
      transform,
      params: readParams(transform, meta.params, params as Readonly<Record<string, unknown>>),
    };
  });
}
