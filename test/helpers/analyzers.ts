/**
 * The test of an analyzer: graphs as text, parameters, and what the report must say. For every case
 * it also checks, unasked, what must hold for any analyzer:
 *
 * - metadata is complete, defaults validate, `covers` are rows of the table to analyze or estimate;
 * - a report is one table: a value per metric in every row, finite or null, targets not repeated
 *   unless `repeats`; findings are sentences; no series or text that could carry weights;
 * - the same question gives the same report, from another scratch folder, with tensors in pieces of a
 *   few values, and from the cache;
 * - cancelling is heard, and leaves no report.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ANALYZER_FAMILIES, type Analyzer } from "../../src/core/analyzer.ts";
import { runAnalyzer } from "../../src/engine/analyze.ts";
import { createComputing } from "../../src/engine/computing.ts";
import { createEnvironment } from "../../src/engine/environment.ts";
import { fingerprint } from "../../src/engine/files.ts";
import type { JobTools } from "../../src/engine/jobs.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import type { Doc, Entry, ParamValues } from "../../src/shared/doc.ts";
import { Cancelled, LatheError } from "../../src/shared/errors.ts";
import { readParams } from "../../src/shared/params.ts";
import type { Report } from "../../src/shared/report.ts";
import type { Signal, Task } from "../../src/shared/task.ts";
import techniques from "../../src/shared/techniques.json" with { type: "json" };
import { onnxFromText, safetensorsFromText } from "./graphText.ts";
import { npyBytes } from "./npy.ts";

export interface AnalyzerCase {
  readonly name: string;
  /** A graph (see graphText.ts), tensors for a safetensors file, or the bytes of a model. */
  readonly model: string | Uint8Array;
  readonly format?: "onnx" | "safetensors";
  readonly params?: ParamValues;
  /** What was done to the model before it is analyzed. */
  readonly recipe?: readonly Entry[];
  /** Samples for the model's inputs, with class labels where there are any. */
  readonly data?: AnalyzerData;
  readonly limit?: number;
  /** Every skip: its name and a part of its reason; checked when given. */
  readonly skips?: Readonly<Record<string, string>>;
  /** A part of the message with which it must be refused. */
  readonly refused?: string;
  /** Times differ from run to run: equal answers are not asked for. */
  readonly timed?: boolean;
  readonly check?: (report: Report) => void;
}

export interface AnalyzerData {
  /** By input: samples × values; used for calibration and evaluation alike. */
  readonly inputs: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>
  >;
  readonly labels?: readonly number[];
}

export function testAnalyzer(analyzer: Analyzer, cases: readonly AnalyzerCase[]): void {
  test(`${analyzer.meta.id}: metadata`, () => checkMeta(analyzer));
  for (const one of cases)
    test(`${analyzer.meta.id}: ${one.name}`, async () => {
      const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
      try {
        await runCase(analyzer, one, folder);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
}

/** The value of one metric in one row. */
export function valueOf(report: Report, target: string, metric: string): number | null {
  const row = report.rows.find((one) => one.target === target);
  assert.ok(row, `no row ${target} among ${report.rows.map((one) => one.target).join(", ")}`);
  const column = report.metrics.findIndex(({ id }) => id === metric);
  assert.ok(column >= 0, `no metric ${metric}`);
  return row.values[column] ?? null;
}

function checkMeta({ meta }: Analyzer): void {
  const [family, file] = meta.id.split(".");
  assert.ok(ANALYZER_FAMILIES.some((f) => f === family) && file, `id ${meta.id}`);
  assert.notEqual(meta.title.trim(), "");
  assert.match(meta.summary, /^[A-Z].*\.$/, "the summary is a sentence");
  assert.ok(meta.papers.length > 0 && meta.formats.length > 0, "papers and formats");
  assert.equal(meta.api, 1);
  const rows = new Map(techniques.map((row) => [row.id, row.coverage]));
  for (const id of meta.covers)
    assert.match(rows.get(id) ?? "no row", /^(analyze|estimate)$/, `covers "${id}"`);
  for (const [key, param] of Object.entries(meta.params)) {
    assert.match(param.title, /^[A-Z]/, key);
    assert.match(param.help, /\.$/, `${key}: help is a sentence`);
  }
  readParams(meta.id, meta.params, {});
}

async function runCase(analyzer: Analyzer, one: AnalyzerCase, folder: string): Promise<void> {
  const format = one.format ?? "onnx";
  const file = path.join(folder, `model.${format}`);
  const bytes =
    typeof one.model !== "string"
      ? one.model
      : format === "onnx"
        ? onnxFromText(one.model)
        : safetensorsFromText(one.model);
  writeFileSync(file, bytes);
  const doc: Doc = {
    base: { path: file, fingerprint: fingerprint(file) },
    recipe: one.recipe ?? [],
    ...(one.data ? { data: writeData(one.data, folder) } : {}),
  };
  const tools = toolsIn(path.join(folder, "a"));
  if (one.refused !== undefined) {
    await assert.rejects(ask(tools, analyzer, one, doc), (error) => {
      assert.ok(error instanceof LatheError, String(error));
      const { message, hint = "" } = error.failure;
      assert.ok(`${message} ${hint}`.includes(one.refused!), `${message} ${hint}`);
      return true;
    });
    return;
  }
  const report = await ask(tools, analyzer, one, doc);
  checkReport(analyzer, report);
  if (one.skips) {
    assert.deepEqual(
      report.skipped.map((skip) => skip.name).sort(),
      Object.keys(one.skips).sort(),
      JSON.stringify(report.skipped),
    );
    for (const { name, reason } of report.skipped)
      assert.ok(reason.includes(one.skips[name] ?? ""), `${name}: ${reason}`);
  }
  one.check?.(report);
  if (one.timed !== true) {
    const plain: unknown = JSON.parse(JSON.stringify(report));
    assert.deepEqual(await ask(tools, analyzer, one, doc), plain, "the cache answers differently");
    const again = await ask(toolsIn(path.join(folder, "b"), FEW_VALUES), analyzer, one, doc);
    assert.deepEqual(again, report, "a second run answers differently");
  }
  if (analyzer.meta.formats.includes(format)) await checkCancel(analyzer, one, doc, folder);
}

/** Of what an analyzer reads at once: two or three rows of most tensors here. */
const FEW_VALUES = 40;

function toolsIn(folder: string, pieceValues?: number): JobTools {
  const scratch = openScratch(folder);
  const env = createEnvironment({
    scratch,
    kernels: loadKernels(),
    build: "test",
    computing: createComputing(1),
    ...(pieceValues === undefined ? {} : { pieceValues }),
  });
  return { env, scratch, toolVersion: "test", build: "test", threads: 1 };
}

async function ask(
  tools: JobTools,
  analyzer: Analyzer,
  one: AnalyzerCase,
  doc: Doc,
  task: Task = UNHEARD,
): Promise<Report> {
  const { meta } = analyzer;
  const params = readParams(meta.id, meta.params, one.params ?? {});
  const state = await tools.env.open(doc, UNHEARD);
  return runAnalyzer(tools, analyzer, { doc, state, params, limit: one.limit ?? null }, task);
}

const UNHEARD: Task = {
  signal: { aborted: false, addEventListener: () => {}, removeEventListener: () => {} },
  progress: () => {},
};

/** No message carries weights: a report is figures per layer, not per weight. */
const MAX_SERIES = 4096;
const MAX_BYTES = 1e6;

function checkReport({ meta }: Analyzer, report: Report): void {
  assert.equal(report.analyzer, meta.id);
  const ids = report.metrics.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, "metric ids repeat");
  for (const { target, values } of report.rows) {
    assert.equal(values.length, ids.length, `row ${target}`);
    for (const [i, value] of values.entries())
      assert.ok(value === null || Number.isFinite(value), `${target}, ${ids[i]}: ${value}`);
  }
  const targets = report.rows.map(({ target }) => target);
  assert.equal(new Set(targets).size, targets.length, "row targets repeat");
  for (const finding of report.findings) assert.match(finding, /^[^ ].*\.$/s, "a sentence");
  for (const { x, y, title } of report.series) {
    assert.equal(x.length, y.length, title);
    assert.ok(x.length <= MAX_SERIES, `${title} has ${x.length} points`);
    for (const value of [...x, ...y]) assert.ok(Number.isFinite(value), title);
  }
  for (const { reason } of report.skipped) assert.notEqual(reason, "");
  assert.ok(JSON.stringify(report).length < MAX_BYTES, "more than a message may hold");
}

async function checkCancel(
  analyzer: Analyzer,
  one: AnalyzerCase,
  doc: Doc,
  folder: string,
): Promise<void> {
  for (const after of [0, 1, 3]) {
    const tools = toolsIn(path.join(folder, `cancel${after}`));
    let heard = 0;
    let looked = 0;
    const signal: Signal = {
      // Heard of at the first look, or after some progress was told.
      get aborted() {
        looked++;
        return after === 0 ? looked > 0 : heard > after;
      },
      addEventListener: () => {},
      removeEventListener: () => {},
    };
    const task: Task = { signal, progress: () => heard++ };
    try {
      await ask(tools, analyzer, one, doc, task);
      assert.notEqual(after, 0, "it does not look whether it is cancelled");
    } catch (error) {
      assert.ok(error instanceof Cancelled, String(error));
      assert.deepEqual(readdirSync(tools.scratch.reports), [], "a cancelled report was kept");
    }
    assert.deepEqual(readdirSync(tools.scratch.temp), []);
  }
}

/** A dataset.json whose calibration samples are the evaluation's own. */
function writeData({ inputs, labels }: AnalyzerData, folder: string): string {
  const named: Record<string, { file: string }> = {};
  for (const [i, [name, { shape, values }]] of Object.entries(inputs).entries()) {
    writeFileSync(path.join(folder, `x${i}.npy`), npyBytes(shape, values));
    named[name] = { file: `x${i}.npy` };
  }
  if (labels)
    writeFileSync(
      path.join(folder, "y.npy"),
      npyBytes([labels.length], BigInt64Array.from(labels, BigInt)),
    );
  const file = path.join(folder, "dataset.json");
  writeFileSync(
    file,
    JSON.stringify({
      ...(labels ? { task: "classification", labels: "y.npy" } : {}),
      inputs: named,
      calibration: { inputs: named, ...(labels ? { labels: "y.npy" } : {}) },
    }),
  );
  return file;
}
