/**
 * Text for language models: token ids cut into non-overlapping windows. Window i feeds
 * ids[c·i … c·i+c−1] and expects the ids one further on.
 */
import { dataErrors } from "../shared/errors.ts";
import { random } from "../shared/random.ts";
import { fileText } from "./files.ts";
import { openNpy } from "./npy.ts";
import { product, type Samples } from "./samples.ts";

/** A text is held as 32-bit ids; 256 MiB of it are ten million windows of 128. */
const MAX_TEXT_BYTES = 2 ** 28;
const MAX_VOCABULARY_BYTES = 2 ** 24;

export interface Windows {
  /** int32, one window each. */
  readonly inputs: Samples;
  /** The id that follows each input id. */
  readonly targets: Samples;
}

export interface WindowSpec {
  readonly context: number;
  /** Part of the ids to use, as fractions of their number. */
  readonly range: readonly [number, number];
  /** That many windows at random places (seed 0) in place of all of them in order. */
  readonly samples?: number;
}

/** @throws DataError when not one whole window fits. */
export function windows(path: string, ids: Int32Array, spec: WindowSpec): Windows {
  const { context } = spec;
  const part = ids.subarray(
    Math.trunc(ids.length * spec.range[0]),
    Math.trunc(ids.length * spec.range[1]),
  );
  const whole = Math.max(0, Math.floor((part.length - 1) / context));
  if (whole === 0)
    throw dataErrors.bad(
      path,
      path,
      `it has ${part.length} tokens, less than one window of ${context} and the token after it`,
      'Use a longer text, a wider "range" or a smaller "context".',
    );
  const starts = startsOf(part.length, whole, spec);
  const cut = (shift: number): Samples => ({
    path,
    dtype: "int32",
    count: starts.length,
    shape: [context],
    read: (from, to) => {
      const out = new Int32Array((to - from) * context);
      for (let i = from; i < to; i++) {
        const start = (starts[i] ?? 0) + shift;
        out.set(part.subarray(start, start + context), (i - from) * context);
      }
      return Promise.resolve(out);
    },
  });
  return { inputs: cut(0), targets: cut(1) };
}

function startsOf(length: number, whole: number, spec: WindowSpec): number[] {
  if (spec.samples === undefined) return Array.from({ length: whole }, (_, i) => i * spec.context);
  const rng = random(0);
  return Array.from({ length: spec.samples }, () => rng.int(length - spec.context));
}

/** Ids of a text by a vocabulary of single characters; characters it lacks are left out. */
export function characterIds(path: string, vocabulary: readonly string[]): Int32Array {
  const idOf = new Map(vocabulary.map((character, id) => [character, id]));
  const text = readText(path);
  const ids = new Int32Array(text.length);
  let count = 0;
  for (const character of text) {
    const id = idOf.get(character);
    if (id !== undefined) ids[count++] = id;
  }
  return ids.subarray(0, count);
}

/** Ids stored as an array of integers, read as one stream. */
export async function storedIds(path: string): Promise<Int32Array> {
  const samples = openNpy(path);
  const total = samples.count * product(samples.shape);
  if (!/^u?int/.test(samples.dtype) || total * 4 > MAX_TEXT_BYTES)
    throw dataErrors.bad(
      path,
      path,
      `token ids must be integers, at most ${MAX_TEXT_BYTES / 4}; it has ${total} of ${samples.dtype}`,
      "Save the ids as int32.",
    );
  const values = await samples.read(0, samples.count);
  return Int32Array.from(values as Int32Array, Number);
}

/** A JSON list of characters, or {"chars": […]}; the place in the list is the id. */
export function readVocabulary(path: string): readonly string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fileText(path, MAX_VOCABULARY_BYTES));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const list =
    typeof parsed === "object" && parsed !== null && "chars" in parsed ? parsed.chars : parsed;
  if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
  throw dataErrors.bad(
    path,
    path,
    "the vocabulary is not a list of characters",
    'Give a JSON list ["a", "b", …] or {"chars": […]}; the place in the list is the id.',
  );
}

/**
 * Ids of a plain text for a model with `vocabulary` outputs per position: its sorted distinct
 * characters if there are exactly so many, else its bytes if they all have an output.
 */
export function plainTextIds(path: string, vocabulary: number | null): Int32Array {
  const text = readText(path);
  const characters = [...new Set(text)].sort(
    (a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0),
  );
  if (characters.length === vocabulary) return characterIds(path, characters);
  if (vocabulary !== null && vocabulary >= 256)
    return Int32Array.from(new TextEncoder().encode(text));
  throw dataErrors.bad(
    path,
    path,
    `it has ${characters.length} distinct characters, the model has ${vocabulary ?? "an unknown number of"} tokens`,
    'Write a dataset.json with "file", "vocab" (the list of tokens) and "context".',
  );
}

/** Line ends as Python's text mode reads them, so that both sides count the same characters. */
const readText = (path: string): string => fileText(path, MAX_TEXT_BYTES).replace(/\r\n?/g, "\n");
