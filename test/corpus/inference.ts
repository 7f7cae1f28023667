/**
 * Inferred element types and shapes against the stored expected outputs of a model of the corpus:
 * a figure that is known and differs is a mistake, one that is not known is counted.
 */
import { mainGraph, type Dim, type ElementType, type Model } from "../../src/core/model.ts";
import { inferShapes } from "../../src/core/shapeInference.ts";
import type { Info } from "../../src/core/shapes/rule.ts";
import type { CorpusCase } from "./cases.ts";
import { storedInfo } from "./expected.ts";

export interface InferenceCheck {
  /** Outputs compared. */
  readonly outputs: number;
  /** Outputs whose type, rank and every dimension was inferred. */
  readonly known: number;
  /** What the rules say otherwise than the expected output. */
  readonly mistakes: readonly string[];
  /** What they do not say. */
  readonly unknown: readonly string[];
}

export const ZERO: InferenceCheck = { outputs: 0, known: 0, mistakes: [], unknown: [] };
export const plus = (a: InferenceCheck, b: InferenceCheck): InferenceCheck => ({
  outputs: a.outputs + b.outputs,
  known: a.known + b.known,
  mistakes: [...a.mistakes, ...b.mistakes],
  unknown: [...a.unknown, ...b.unknown],
});

/**
 * The rules alone, without what the file declares of its outputs.
 * @param withData also knows the elements of small inputs, which shapes are often computed from
 */
export const checkInference = (
  model: Model,
  { sets }: CorpusCase,
  withData: boolean,
): InferenceCheck =>
  sets.map((set) => checkSet(model, set, withData)).reduce<InferenceCheck>(plus, ZERO);

function checkSet(
  model: Model,
  set: CorpusCase["sets"][number],
  withData: boolean,
): InferenceCheck {
  const main = mainGraph(model);
  const typeOf = (name: string): ElementType =>
    main.values.get(name) ?? { type: "tensor", dtype: null, shape: null };
  const stored = (kind: "inputs" | "outputs", i: number, name: string): Info | null => {
    const bytes = set[kind][i];
    return bytes ? storedInfo(bytes, typeOf(name)) : null;
  };
  const inputs = new Map(main.inputs.map((name, i) => [name, stored("inputs", i, name)]));
  const table = inferShapes(model, {
    onlyRules: true,
    ...(withData ? { given: (name) => inputs.get(name) ?? null } : {}),
  });
  let check = ZERO;
  main.outputs.forEach((name, i) => {
    const expected = stored("outputs", i, name);
    if (expected === null) return;
    const mistakes: string[] = [];
    const unknown: string[] = [];
    compare(table.infoOf(main.path, name), expected, name, mistakes, unknown);
    check = plus(check, {
      outputs: 1,
      known: unknown.length + mistakes.length === 0 ? 1 : 0,
      mistakes,
      unknown,
    });
  });
  return check;
}

function compare(
  inferred: Info,
  expected: Info,
  name: string,
  mistakes: string[],
  unknown: string[],
): void {
  if (inferred.holds || expected.holds) {
    if (!expected.holds) return;
    if (!inferred.holds) {
      (isUnknown(inferred) ? unknown : mistakes).push(`${name}: is a ${expected.holds.kind}`);
      return;
    }
    if (inferred.holds.kind !== expected.holds.kind)
      mistakes.push(`${name}: ${inferred.holds.kind}, but it is a ${expected.holds.kind}`);
    compareDim(inferred.holds.length, expected.holds.length, `${name}: length`, mistakes, []);
    compare(inferred.holds.of, expected.holds.of, `${name}: element`, mistakes, unknown);
    return;
  }
  if (inferred.dtype === null) unknown.push(`${name}: type ${expected.dtype?.name ?? "?"}`);
  else if (expected.dtype !== null && inferred.dtype !== expected.dtype)
    mistakes.push(`${name}: ${inferred.dtype.name}, but it is ${expected.dtype.name}`);
  if (expected.shape === null) return;
  if (inferred.shape === null) unknown.push(`${name}: rank ${expected.shape.length}`);
  else if (inferred.shape.length !== expected.shape.length)
    mistakes.push(`${name}: [${inferred.shape.join()}], but it is [${expected.shape.join()}]`);
  else
    inferred.shape.forEach((dim, i) =>
      compareDim(dim, expected.shape?.[i] ?? null, `${name}: axis ${i}`, mistakes, unknown),
    );
}
const isUnknown = (info: Info): boolean => info.dtype === null && info.shape === null;

function compareDim(
  inferred: Dim,
  expected: Dim,
  what: string,
  mistakes: string[],
  unknown: string[],
): void {
  if (expected === null) return;
  if (typeof inferred !== "number") unknown.push(`${what} of ${expected}`);
  else if (inferred !== expected) mistakes.push(`${what} ${inferred}, but it is ${expected}`);
}
