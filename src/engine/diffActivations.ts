/** The values inside two models on the same inputs, layer by layer: where their difference starts. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { opsText } from "../core/diff.ts";
import { matchedValues, type MatchedValue } from "../core/matchedValues.ts";
import { matchModels } from "../core/matching.ts";
import { MAIN, mainGraph, type Model } from "../core/model.ts";
import { scopeOf } from "../core/scope.ts";
import { inferShapes } from "../core/shapeInference.ts";
import { openData } from "../data/open.ts";
import { EXACT_DB } from "../shared/format.ts";
import type { ActivationDiff, ActivationsDiff } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { CAPTURE_BUDGET_BYTES, exposing } from "./capture.ts";
import { outputMeter, type OutputMeter } from "./metrics/outputs.ts";
import type { Session } from "./ort.ts";
import { numbersIn, runOnData, runOnSynthetic, zipSamples, type RunBatch } from "./sampleRuns.ts";
import { runnableSizes } from "./synthetic.ts";

export interface ActivationOptions {
  /** Null for seeded synthetic inputs. */
  readonly data: string | null;
  /** At most so many samples. */
  readonly samples: number;
  /** 0 is all cores. */
  readonly threads: number;
  /** An empty folder for temporary models. */
  readonly folder: string;
}

/** Values of both models in memory at a time. */
const BUDGET_BYTES = CAPTURE_BUDGET_BYTES / 2;
/** Values measured in one run of one sample, to learn their sizes. */
const PROBE_VALUES = 64;
const MAX_BATCH = 16;

/**
 * Every value that both models have is compared, as many at a time as fit the memory budget. Nothing
 * is fused across a value, and weights stay exact: what is seen is the error of what is stored.
 * @throws DataError, EngineError when either does not run; Cancelled
 */
export async function diffActivations(
  before: Model,
  after: Model,
  options: ActivationOptions,
  task: Task,
): Promise<ActivationsDiff> {
  const found = matchedValues(matchModels(before, after), opsText);
  const values = found.values.filter(
    (value) => isFloat(before, value.before) && isFloat(after, value.after),
  );
  const folders = ["before", "after"].map((name) => path.join(options.folder, name));
  for (const folder of folders) mkdirSync(folder);
  const [a, b] = [before, after].map((model, i) =>
    exposing(model, [], { folder: folders[i] ?? "", threads: options.threads }, task),
  );
  if (!a || !b) throw new Error("two models are compared");
  try {
    const meters = new Map<MatchedValue, OutputMeter>();
    const sizes = new Map<string, number>();
    for (let from = 0; from < values.length; from += PROBE_VALUES) {
      const names = values.slice(from, from + PROBE_VALUES).map((value) => value.before);
      await a.use(names, async (session, fetch) => {
        for await (const batch of stream(session, { ...options, samples: 1 }, fetch, 1, task))
          for (const [name, tensor] of batch.outputs) sizes.set(name, 8 * tensor.data.length);
      });
    }
    let samples = 0;
    const waves = wavesOf(values, sizes);
    for (const [index, wave] of waves.entries()) {
      const own = (fraction: number): void =>
        task.progress((index + fraction) / waves.length, "comparing activations");
      await a.use(
        wave.map((value) => value.before),
        (was, wasFetch) =>
          b.use(
            wave.map((value) => value.after),
            async (is, isFetch) => {
              const bytes = wave.reduce((sum, value) => sum + (sizes.get(value.before) ?? 0), 0);
              const rows = Math.max(
                1,
                Math.min(MAX_BATCH, Math.floor(BUDGET_BYTES / (2 * bytes + 1))),
              );
              samples = await zipSamples(
                stream(was, options, wasFetch, rows, task),
                stream(is, options, isFetch, rows, task),
                (x, i, y, j) => {
                  for (const value of wave) addValue(meters, value, x, i, y, j);
                },
                (done) => own(done / options.samples),
              );
            },
          ),
      );
    }
    return {
      rows: rowsOf(before, values, meters),
      samples,
      data: options.data,
      notCompared: found.values.length - values.length,
      inSubgraphs: found.inSubgraphs,
    };
  } finally {
    await a.remove();
    await b.remove();
  }
}

/** Numbers that are rounded when a model is quantized; unknown types are tried. */
function isFloat(model: Model, name: string): boolean {
  if (scopeOf(model).constant(MAIN, name) !== null) return false;
  const type = inferShapes(model).dtypeOf(MAIN, name);
  return type === null || type.kind === "float";
}

function wavesOf(
  values: readonly MatchedValue[],
  sizes: ReadonlyMap<string, number>,
): readonly (readonly MatchedValue[])[] {
  const waves: MatchedValue[][] = [];
  let bytes = Infinity;
  const names = new Set<string>();
  for (const value of values) {
    const own = 2 * (sizes.get(value.before) ?? 0);
    // Outputs of a model have unique names; two values may have become one.
    if (bytes + own > BUDGET_BYTES || names.has(value.after)) {
      waves.push([]);
      names.clear();
      bytes = 0;
    }
    waves.at(-1)?.push(value);
    names.add(value.after);
    bytes += own;
  }
  return waves;
}

async function* stream(
  session: Session,
  { data, samples }: ActivationOptions,
  fetch: readonly string[],
  rows: number,
  { signal }: Task,
): AsyncGenerator<RunBatch> {
  if (data === null) {
    const sizes = await runnableSizes(session, 0);
    yield* runOnSynthetic(session, samples, sizes, fetch, signal);
    return;
  }
  const bound = await openData(data, session);
  const range = { from: 0, to: Math.min(samples, bound.count) };
  yield* runOnData(session, bound, range, fetch, signal, Math.min(rows, bound.openBatch));
}

function addValue(
  meters: Map<MatchedValue, OutputMeter>,
  value: MatchedValue,
  x: RunBatch,
  i: number,
  y: RunBatch,
  j: number,
): void {
  const [a, b] = [numbersIn(x, value.before), numbersIn(y, value.after)];
  // Same numbers in another shape are other values: an axis was moved.
  if (!a || !b || a.shape.slice(1).join() !== b.shape.slice(1).join()) return;
  const meter = meters.get(value) ?? outputMeter(value.before, false);
  meters.set(value, meter);
  const isSplit = (a.shape[0] ?? 0) % x.rows === 0 && (b.shape[0] ?? 0) % y.rows === 0;
  if (isSplit && a.shape.length > 0) meter.add(a, i, b, j);
  // Without an axis of samples: once per batch, where both have the same one.
  else if (i === 0 && j === 0 && a.values.length === b.values.length)
    meter.add({ ...a, size: a.values.length }, 0, { ...b, size: b.values.length }, 0);
}

function rowsOf(
  before: Model,
  values: readonly MatchedValue[],
  meters: ReadonlyMap<MatchedValue, OutputMeter>,
): readonly ActivationDiff[] {
  const rows = values.flatMap((value) => {
    const result = meters.get(value)?.result();
    return result ? [{ value, result }] : [];
  });
  const known = new Map(rows.map(({ value, result }) => [value.before, result.sqnrDb]));
  /** SQNR of each value, or of the worst that it was made from where it was not compared. */
  const levels = new Map<string, number>();
  const worstOf = (names: readonly string[]): number =>
    Math.min(EXACT_DB, ...names.map((name) => levels.get(name) ?? EXACT_DB));
  for (const node of mainGraph(before).nodes)
    for (const output of node.outputs)
      levels.set(output, known.get(output) ?? worstOf(node.inputs));
  return rows.map(({ value, result }) => ({
    name: value.before,
    node: value.label,
    op: value.op,
    sqnrDb: result.sqnrDb,
    inputDb: worstOf(value.inputs),
    cosine: result.cosine,
    maxAbs: result.maxAbs,
    mse: result.mse,
  }));
}
