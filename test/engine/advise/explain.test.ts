import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { explain } from "../../../src/engine/advise/explain.ts";
import { describeCauses } from "../../../src/engine/advise/explainText.ts";
import { Cancelled } from "../../../src/shared/errors.ts";
import type { EvalResult, LayerCause } from "../../../src/shared/protocol.ts";
import type { Task } from "../../../src/shared/task.ts";
import { docOf, testTools } from "../../helpers/environment.ts";
import { task, tempFolder } from "../../helpers/temp.ts";
import { network, writeNetwork } from "./net.ts";

test("the two worst layers of a spoiled model are named, and keeping them brings it back", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const spoiled = path.join(folder, "spoiled.onnx");
  writeFileSync(spoiled, network({ h2: 0.9, h4: 1.3, h1: 0.01, y: 0.02 }));
  const answer = await explain(
    testTools(folder),
    { before: docOf(model), after: docOf(spoiled), data, limit: null },
    task,
  );
  const [first, second, third] = answer.layers;
  assert.deepEqual([first!.name, second!.name].sort(), ["h2", "h4"]);
  assert.ok(third!.share < 0.05);
  assert.ok(first!.restored!.kl! < answer.kl!);
  assert.ok(first!.cascadedDb! < 20);
  assert.equal(answer.before!.value, 1, "it labels itself");
  assert.ok(answer.after!.value < 0.93, String(answer.after!.value));
  assert.deepEqual([...answer.keep!.names].sort(), ["h2", "h4"]);
  assert.ok(answer.keep!.metric!.value > 0.98);
  const text = answer.findings.join(" ");
  assert.match(text, /2 of 4 changed layers cause/);
  assert.match(text, /h2 \(alone/);
  assert.match(text, /h4 \(alone/);
  assert.match(text, /Next: keep these 2 layers as they were/);
});

test("a recipe is explained unit by unit, and the next recipe is given", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const entry = { transform: "quantize.weightOnly", params: { bits: 2, block: 64 } };
  const answer = await explain(
    testTools(folder),
    { before: docOf(model), after: docOf(model, entry), data, limit: 100 },
    task,
  );
  assert.equal(answer.layers.length, 5);
  for (const { savedBytes, alone } of answer.layers) {
    assert.ok(savedBytes > 0);
    assert.ok(alone.kl! > 0 && alone.kl! < answer.kl!);
  }
  if (answer.keep) {
    const [kept] = answer.keep.entries!;
    assert.equal(kept!.scope!.length, 5 - answer.keep.names.length);
    assert.ok(answer.keep.costBytes > 0);
  }
});

test("the same model: nothing moves, nothing is to be done", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const answer = await explain(
    testTools(folder),
    { before: docOf(model), after: docOf(model), data, limit: null },
    task,
  );
  assert.deepEqual(answer.layers, []);
  assert.equal(answer.keep, null);
  assert.equal(answer.kl, 0);
});

test("cancelling is heard", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const entry = { transform: "quantize.weightOnly", params: { bits: 4 } };
  let heard = 0;
  const cancelled: Task = {
    signal: {
      ...task.signal,
      get aborted() {
        return heard > 3;
      },
    },
    progress: () => heard++,
  };
  await assert.rejects(
    explain(
      testTools(folder),
      { before: docOf(model), after: docOf(model, entry), data, limit: null },
      cancelled,
    ),
    Cancelled,
  );
});

test("channels of layers that follow each other are removed one layer at a time, each alone", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const entry = { transform: "prune.channels", params: { amount: 0.5 } };
  const answer = await explain(
    testTools(folder),
    { before: docOf(model), after: docOf(model, entry), data, limit: 100 },
    task,
  );
  assert.deepEqual(answer.layers.map(({ name }) => name).sort(), ["h1", "h2", "h3", "h4"]);
  assert.deepEqual(answer.skipped, []);
  for (const { alone } of answer.layers) assert.ok(alone.kl! > 0);
});

test("what cannot be tried alone is counted, and no share of the whole is claimed", () => {
  const layer = (name: string, share: number): LayerCause => ({
    ...{ name, share, restored: null, cascadedDb: null, savedBytes: 0 },
    alone: { kl: share, sqnrDb: 20, metric: null },
  });
  const said = (layers: readonly LayerCause[], skipped: number): readonly string[] =>
    describeCauses({
      ...{ before: null, after: null, kl: 4, sqnrDb: 3, layers, keep: null, data: "x" },
      skipped: Array.from({ length: skipped }, (_, i) => ({ name: `w${i}`, reason: "a shape" })),
    }).slice(1);
  assert.deepEqual(said([layer("a", 1)], 9), [
    "1 changed layer can be tried alone; 9 other changes cannot, and how much of the damage comes from there is not known.",
    "That layer is: a (alone: KL 1).",
  ]);
  assert.equal(
    said([layer("a", 0.9), layer("b", 0.1)], 1)[1],
    "1 of 2 changed layers causes 90.0 % of what these do: a (alone: KL 0.900, 90.0 %).",
  );
  assert.deepEqual(said([layer("a", 0.9), layer("b", 0.1)], 0).slice(0, 2), [
    "1 of 2 changed layers causes 90.0 % of it: a (alone: KL 0.900, 90.0 %).",
    "Errors cascade: alone the layers add up to KL 1, together they do KL 4.",
  ]);
});

test("keeping layers is no advice where the metric gains nothing", () => {
  const result = (value: number): EvalResult => ({
    ...{ metric: "top1", value, low: value, high: value, n: 100, better: "higher" },
    ...{ also: {}, notes: [], synthetic: false, data: "x" },
  });
  const layer = (name: string, share: number): LayerCause => ({
    ...{ name, share, restored: null, cascadedDb: null, savedBytes: 8 },
    alone: { kl: share, sqnrDb: 20, metric: null },
  });
  const facts = {
    ...{ before: result(0.9), after: result(0.89), kl: 1, sqnrDb: 10, skipped: [], data: "x" },
    layers: [layer("a", 0.9), layer("b", 0.1)],
  };
  const last = (metric: number): string =>
    describeCauses({
      ...facts,
      keep: { names: ["a"], kl: 0.1, metric: result(metric), costBytes: 8, entries: null },
    }).at(-1)!;
  assert.match(last(0.895), /^Next: keep this layer as it was \(a\)/);
  assert.match(last(0.89), /^Next: leave it as it is/);
});
