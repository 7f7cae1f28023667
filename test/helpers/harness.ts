/**
 * The test of a technique: graphs as text, parameters, and what to expect. For every case it also
 * checks, unasked, what must hold for any technique; the rigour is here, not with the author.
 *
 * - defaults validate, metadata is complete, `covers` are rows of the techniques table;
 * - the plan reads no weight, and what it says of sizes is what is stored;
 * - values are made once and before they are used, operator sets are imported;
 * - the saved result runs in onnxruntime, and its outputs are within the bound of the original's;
 * - the recipe through JSON gives the same bytes, with tensors in pieces of a few values too;
 * - cancelling leaves nothing behind;
 * - a second run changes nothing.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Change } from "../../src/core/change.ts";
import {
  enclosingPaths,
  graphKey,
  mainGraph,
  type Graph,
  type Model,
  type Tensor,
} from "../../src/core/model.ts";
import { FAMILIES, type Transform } from "../../src/core/plugin.ts";
import { planEntry } from "../../src/engine/compute.ts";
import { createEnvironment } from "../../src/engine/environment.ts";
import type { EngineEnv } from "../../src/engine/env.ts";
import { createComputing } from "../../src/engine/computing.ts";
import { fingerprint, openModel } from "../../src/engine/files.ts";
import { createSession } from "../../src/engine/ort.ts";
import { openScratch, type Scratch } from "../../src/engine/scratch.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import type { Doc, Entry, ParamValues } from "../../src/shared/doc.ts";
import { Cancelled, ParamError } from "../../src/shared/errors.ts";
import { hostData, toNumbers, type HostTensor } from "../../src/shared/hostTensor.ts";
import { readParams } from "../../src/shared/params.ts";
import type { Signal, Task } from "../../src/shared/task.ts";
import techniques from "../../src/shared/techniques.json" with { type: "json" };
import { writeCalibration } from "./calibration.ts";
import { nodesAsText, onnxFromText, safetensorsFromText, tensorsAsText } from "./graphText.ts";
import { gaussian, randomSource } from "./random.ts";

export interface Case {
  readonly name: string;
  /** A graph (see graphText.ts), or tensors for a safetensors file. */
  readonly model: string;
  readonly format?: "onnx" | "safetensors";
  readonly params?: ParamValues;
  readonly scope?: readonly string[];
  /** Names of the units that were done, in order. */
  readonly units?: readonly string[];
  /** Every skip: its name and a part of its reason. */
  readonly skips?: Readonly<Record<string, string>>;
  /** Nodes of the main graph afterwards, as text. */
  readonly nodes?: readonly string[];
  /** Initializers of the main graph afterwards, as text. */
  readonly tensors?: readonly string[];
  /** The least signal-to-noise ratio of every output against the original, in dB; `Infinity`: equal bits. */
  readonly errorDb?: number;
  /** A plan may not foresee all that goes: its size is then an upper bound. */
  readonly sizes?: "exact" | "atMost";
  /** The result has other inputs or outputs, so that it is only loaded. */
  readonly otherEnds?: boolean;
  /** Initializers that were listed as inputs too (before IR 4) need not be any more. */
  readonly inputsMayGo?: boolean;
  /** Integer inputs are drawn from [0, this). Default 4. */
  readonly below?: number;
  /** Size of symbolic dimensions. Default 3. */
  readonly symbol?: number;
  /** Calibration samples, for a technique that uses data. Default 16. */
  readonly samples?: number;
  /** A second run finds more to do: the same share of what is left. */
  readonly again?: "more";
  /** Looks at the result itself. */
  readonly check?: (model: Model, change: Change) => void;
}

export function testTechnique(technique: Transform, cases: readonly Case[]): void {
  test(`${technique.meta.id}: metadata`, () => checkMeta(technique));
  for (const one of cases)
    test(`${technique.meta.id}: ${one.name}`, async () => {
      const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
      try {
        await runCase(technique, one, folder);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
}

function checkMeta({ meta }: Transform): void {
  const [family, file] = meta.id.split(".");
  assert.ok(FAMILIES.some((f) => f === family) && file, `id ${meta.id}`);
  for (const text of [meta.title, meta.summary, meta.suffix]) assert.notEqual(text.trim(), "");
  assert.match(meta.summary, /^[A-Z].*\.$/, "the summary is a sentence");
  assert.ok(meta.papers.length > 0 && meta.formats.length > 0, "papers and formats");
  assert.match(meta.suffix, /^[a-z0-9]+$/);
  assert.equal(meta.api, 1);
  const rows = new Set(techniques.map((row) => row.id));
  for (const id of meta.covers) assert.ok(rows.has(id), `covers "${id}" is no row of the table`);
  for (const [key, param] of Object.entries(meta.params)) {
    assert.match(param.title, /^[A-Z]/, key);
    assert.match(param.help, /\.$/, `${key}: help is a sentence`);
    if (param.type === "number" || param.type === "choice")
      for (const value of param.search ?? []) readParams(meta.id, meta.params, { [key]: value });
  }
  readParams(meta.id, meta.params, {});
}

async function runCase(technique: Transform, one: Case, folder: string): Promise<void> {
  const format = one.format ?? "onnx";
  const file = path.join(folder, `model.${format}`);
  writeFileSync(file, format === "onnx" ? onnxFromText(one.model) : safetensorsFromText(one.model));
  const base = { path: file, fingerprint: fingerprint(file) };
  const entry: Entry = {
    transform: technique.meta.id,
    params: one.params ?? {},
    ...(one.scope ? { scope: one.scope } : {}),
  };
  const options = {
    samples: one.samples ?? 16,
    symbol: one.symbol ?? 3,
    below: one.below ?? 4,
  };
  const data: Pick<Doc, "data"> =
    technique.meta.data === "none" || format !== "onnx"
      ? {}
      : { data: await writeCalibration(file, folder, options) };
  const doc: Doc = { base, recipe: [entry], ...data };

  const { plan } = planEntry(unreadable(openModel(file)), entry);
  assert.equal(new Set(plan.units.map((u) => u.name)).size, plan.units.length, "unit names repeat");

  const env = environment(openScratch(path.join(folder, "a")));
  const { model, changes } = await env.open(doc);
  const [change] = changes;
  assert.ok(change);
  checkExpectations(one, model, change);
  checkSizes(one, change);
  checkGraphs(model);

  const result = await env.fileFor(doc);
  const again = environment(openScratch(path.join(folder, "b")), FEW_VALUES);
  const copy = JSON.parse(JSON.stringify(doc)) as Doc;
  assert.deepEqual(
    readFileSync(await again.fileFor(copy)),
    readFileSync(result),
    "the recipe through JSON, by few values at a time, gives other bytes",
  );
  if (format === "onnx") await checkOutputs(one, file, result);

  // On the saved file, not on the model in memory: what was written is what counts.
  const saved = { path: result, fingerprint: fingerprint(result) };
  const second = env.open({ base: saved, recipe: [entry], ...data });
  // With a scope, what is left over is outside it.
  if (one.scope && planEntry(openModel(result), { ...entry, scope: ["*"] }).plan.units.length > 0)
    await assert.rejects(second, ParamError);
  else if (one.again === "more") await second;
  else
    assert.deepEqual(
      (await second).changes[0]?.units.map((u) => u.name),
      [],
      "a second run changes something",
    );
  await checkCancel(doc, change.units.length, folder);
}

/** Of what a technique has in memory at once: two or three rows of most tensors here. */
const FEW_VALUES = 40;

const environment = (scratch: Scratch, pieceValues?: number): EngineEnv =>
  createEnvironment({
    scratch,
    kernels: loadKernels(),
    build: "test",
    computing: createComputing(1),
    ...(pieceValues === undefined ? {} : { pieceValues }),
  });

/** The same model with its weights out of reach: in a file that does not exist, small ones too. */
function unreadable(model: Model): Model {
  const sealed = (tensor: Tensor): Tensor => {
    const { dtype, sizeBytes } = tensor;
    const isWeight = dtype.kind === "float" && tensor.shape.length > 1;
    return isWeight ? { ...tensor, at: { file: "", offset: 0, length: sizeBytes } } : tensor;
  };
  const graphs = [...model.graphs].map(([key, graph]): [string, Graph] => [
    key,
    {
      ...graph,
      tensors: new Map([...graph.tensors].map(([name, tensor]) => [name, sealed(tensor)])),
    },
  ]);
  return { ...model, graphs: new Map(graphs) };
}

function checkExpectations(one: Case, model: Model, change: Change): void {
  if (one.units)
    assert.deepEqual(
      change.units.map((u) => u.name),
      one.units,
    );
  if (one.skips) {
    assert.deepEqual(
      change.skipped.map((s) => s.name).sort(),
      Object.keys(one.skips).sort(),
      JSON.stringify(change.skipped),
    );
    for (const { name, reason } of change.skipped)
      assert.ok(reason.includes(one.skips[name] ?? ""), `${name}: ${reason}`);
  }
  if (one.nodes) assert.deepEqual(nodesAsText(mainGraph(model)), one.nodes);
  if (one.tensors) assert.deepEqual(tensorsAsText(model), one.tensors);
  one.check?.(model, change);
}

function checkSizes(one: Case, { units, bytesBefore, bytesAfter }: Change): void {
  const gone = units.reduce((sum, u) => sum + u.sizeBefore, 0);
  const most = bytesBefore - gone + units.reduce((sum, u) => sum + u.sizeAfter.max, 0);
  const least = bytesBefore - gone + units.reduce((sum, u) => sum + u.sizeAfter.min, 0);
  assert.ok(bytesAfter <= most, `planned at most ${most} bytes, stored ${bytesAfter}`);
  if (one.sizes !== "atMost")
    assert.ok(bytesAfter >= least, `planned at least ${least} bytes, stored ${bytesAfter}`);
}

function checkGraphs(model: Model): void {
  for (const graph of model.graphs.values()) {
    const known = new Set<string>();
    for (const outer of enclosingPaths(graph.path).slice(1))
      for (const name of namesIn(model.graphs.get(graphKey(outer)))) known.add(name);
    for (const name of [...graph.inputs, ...graph.tensors.keys()]) known.add(name);
    for (const node of graph.nodes) {
      for (const input of node.inputs)
        assert.ok(input === "" || known.has(input), `${node.op} uses "${input}" before it is made`);
      for (const output of node.outputs) {
        if (output === "") continue;
        assert.ok(!known.has(output), `"${output}" is made twice`);
        known.add(output);
      }
      assert.ok(
        model.opsets.has(node.domain) || model.functions.some((f) => f.domain === node.domain),
        `${node.op} needs an import of "${node.domain}"`,
      );
    }
    for (const output of graph.outputs)
      assert.ok(known.has(output), `output "${output}" is missing`);
    const names = graph.nodes.map((n) => n.name).filter((n) => n !== "");
    assert.equal(new Set(names).size, names.length, "node names repeat");
  }
}
const namesIn = (graph: Graph | undefined): string[] =>
  graph
    ? [...graph.inputs, ...graph.tensors.keys(), ...graph.nodes.flatMap((node) => node.outputs)]
    : [];

async function checkOutputs(one: Case, before: string, after: string): Promise<void> {
  const options = { threads: 1, optimization: "all" } as const;
  const changed = await createSession(after, options);
  if (one.otherEnds === true) return changed.release();
  const original = await createSession(before, options);
  try {
    if (one.inputsMayGo !== true)
      assert.deepEqual(changed.inputs, original.inputs, "inputs of the model changed");
    assert.deepEqual(
      changed.outputs.map((o) => o.name),
      original.outputs.map((o) => o.name),
    );
    const feeds = new Map(original.inputs.map((input, i) => [input.name, feed(one, input, i)]));
    const expected = await original.run(feeds);
    const known = new Set(changed.inputs.map((input) => input.name));
    const got = await changed.run(new Map([...feeds].filter(([name]) => known.has(name))));
    for (const [name, tensor] of expected) {
      const other = got.get(name);
      assert.deepEqual(other?.shape, tensor.shape, name);
      assert.equal(other?.dtype, tensor.dtype, name);
      const bound = one.errorDb ?? Infinity;
      const db = sqnrDb(toNumbers(tensor), toNumbers(other));
      assert.ok(db >= bound, `output ${name}: ${db.toFixed(1)} dB, less than ${bound}`);
    }
  } finally {
    await original.release();
    await changed.release();
  }
}

function feed(
  one: Case,
  input: { readonly dtype: HostTensor["dtype"] | null; readonly shape: readonly unknown[] },
  index: number,
): HostTensor {
  const { dtype } = input;
  assert.ok(dtype);
  const shape = input.shape.map((dim) => (typeof dim === "number" ? dim : (one.symbol ?? 3)));
  const count = shape.reduce((a, b) => a * b, 1);
  const data = hostData(dtype, count);
  assert.ok(data && !Array.isArray(data));
  const next = randomSource(index + 1);
  const normal = gaussian(count, index + 1);
  for (let i = 0; i < count; i++) {
    const whole = Math.floor(next() * (one.below ?? 4));
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(whole);
    else if (dtype === "float32" || dtype === "float64") data[i] = normal[i]!;
    // float16 bits of 1, 2 and the values between them.
    else if (dtype === "float16") data[i] = 0x3c00 + Math.floor(next() * 1024);
    else data[i] = dtype === "bool" ? whole % 2 : whole;
  }
  return { dtype, shape, data };
}

function sqnrDb(expected: ArrayLike<number>, got: ArrayLike<number>): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(expected[i], got[i])) continue;
    noise += (expected[i]! - got[i]!) ** 2;
  }
  for (let i = 0; i < expected.length; i++) signal += expected[i]! ** 2;
  return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
}

/** Cancels at every step of progress in turn: the caller hears Cancelled and no change is kept. */
async function checkCancel(doc: Doc, units: number, folder: string): Promise<void> {
  for (let after = 0; after < units; after++) {
    const scratch = openScratch(path.join(folder, `cancel${after}`));
    let heard = 0;
    const signal: Signal = {
      get aborted() {
        return heard > after;
      },
      addEventListener: () => {},
      removeEventListener: () => {},
    };
    const task: Task = { signal, progress: () => heard++ };
    await assert.rejects(environment(scratch).open(doc, task), Cancelled);
    assert.deepEqual(readdirSync(scratch.changes), [], "a cancelled change left files");
    assert.deepEqual(readdirSync(scratch.temp), []);
  }
}
