import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { optimize } from "../../../src/engine/advise/optimize.ts";
import { Cancelled, LatheError } from "../../../src/shared/errors.ts";
import type { OptimizeGoal } from "../../../src/shared/protocol.ts";
import type { Task } from "../../../src/shared/task.ts";
import { docOf, testTools } from "../../helpers/environment.ts";
import { task, tempFolder } from "../../helpers/temp.ts";
import { network, writeNetwork } from "./net.ts";

const goal = (part: Partial<OptimizeGoal>): OptimizeGoal => ({
  maxDrop: null,
  targetSize: null,
  faster: false,
  ...part,
});

test("--max-drop: smaller, within the limit with the whole interval, with recipe and reasons", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder, 800);
  const to = path.join(folder, "small.onnx");
  const before = readFileSync(model);
  const result = await optimize(
    testTools(folder),
    {
      doc: { ...docOf(model), data },
      goal: goal({ maxDrop: 0.05 }),
      to,
      overwrite: false,
      limit: null,
    },
    task,
  );
  assert.ok(result.found, result.reasons.join("\n"));
  assert.equal(result.verified, true);
  assert.equal(result.sizeAfter, statSync(to).size);
  assert.ok(result.sizeAfter < 0.5 * result.sizeBefore);
  assert.ok(result.quality!.dropHigh <= 0.05);
  assert.equal(result.quality!.before.value, 1);
  assert.ok(existsSync(`${to}.lathe.json`));
  assert.deepEqual(readFileSync(model), before, "the input is as it was");
  const chosen = result.considered.filter(({ state }) => state === "chosen");
  assert.equal(chosen.length, 1);
  assert.deepEqual(chosen[0]!.entries, result.entries);
  const spare = chosen[0]!.sizeBytes - result.sizeAfter;
  assert.ok(spare >= 0 && spare < 32, "sizes are those of the file to be, its recipe included");
  assert.equal(chosen[0]!.latencyRatio, result.latency!.ratio);
  const recipes = result.considered.map(({ entries }) => JSON.stringify(entries));
  assert.equal(new Set(recipes).size, recipes.length, "each is considered once");
  for (const one of result.considered) {
    assert.ok(one.sizeBytes > 0 && one.latencyRatio! > 0 && one.kl! >= 0);
    assert.notEqual(one.reason, "");
  }
  assert.ok(result.suggestions.length > 0);
  for (const { predictedGain, measuredRisk, reason } of result.suggestions)
    for (const text of [predictedGain, measuredRisk, reason]) assert.notEqual(text, "");
  assert.match(result.data!, /search: 16 samples .*; report: 800 samples/);
});

test("--target-size: the gentlest that fits; without --max-drop the drop is measured, not limited", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const result = await optimize(
    testTools(folder),
    {
      doc: { ...docOf(model), data },
      goal: goal({ targetSize: { share: 0.4 } }),
      to: null,
      overwrite: false,
      limit: null,
    },
    task,
  );
  assert.ok(result.found, result.reasons.join("\n"));
  assert.equal(result.output, null);
  assert.ok(result.sizeAfter <= 0.4 * result.sizeBefore);
  const fitting = result.considered.filter(({ sizeBytes }) => sizeBytes <= 0.4 * result.sizeBefore);
  const chosen = result.considered.find(({ state }) => state === "chosen")!;
  assert.ok(result.quality);
  assert.ok(fitting.length > 0 && chosen.kl !== null);
});

test("a size that cannot be reached: nothing is written, and the smallest is named", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder);
  const to = path.join(folder, "small.onnx");
  const result = await optimize(
    testTools(folder),
    {
      doc: { ...docOf(model), data },
      goal: goal({ targetSize: { bytes: 1000 } }),
      to,
      overwrite: false,
      limit: null,
    },
    task,
  );
  assert.equal(result.found, false);
  assert.ok(!existsSync(to));
  assert.match(result.reasons.join(" "), /1\.00 kB cannot be reached: the smallest .* is/);
  assert.match(result.reasons.join(" "), /stays as it is/);
});

test("refused by name: no goal, no data, labels out of range", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder, 100, (label, i) => (i === 5 ? 77 : label));
  const ask = (part: Partial<OptimizeGoal>, own: string | null): Promise<unknown> =>
    optimize(
      testTools(folder),
      {
        doc: own === null ? docOf(model) : { ...docOf(model), data: own },
        goal: goal(part),
        to: null,
        overwrite: false,
        limit: null,
      },
      task,
    );
  const refused =
    (code: string, text: RegExp) =>
    (error: unknown): boolean => {
      assert.ok(error instanceof LatheError, String(error));
      assert.equal(error.failure.code, code);
      assert.match(error.failure.message, text);
      return true;
    };
  await assert.rejects(ask({}, data), refused("usage", /needs a goal/));
  await assert.rejects(ask({ maxDrop: 0.01 }, null), refused("needs-data", /optimize/));
  await assert.rejects(ask({ maxDrop: 0.5 }, data), refused("data", /label 77/));
});

test("one sample shows no drop within a limit; data without calibration samples will do; NaN is named", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder, 120);
  const own = JSON.parse(readFileSync(data, "utf8")) as Record<string, unknown>;
  delete own["calibration"];
  const bare = path.join(folder, "bare.json");
  writeFileSync(bare, JSON.stringify(own));
  const ask = (file: string, given: string, limit: number | null) =>
    optimize(
      testTools(folder),
      {
        doc: { ...docOf(file), data: given },
        goal: goal({ maxDrop: 0.05 }),
        to: null,
        overwrite: false,
        limit,
      },
      task,
    );
  const single = await ask(model, data, 1);
  assert.equal(single.found, false, single.reasons.join("\n"));
  const searched = await ask(model, bare, null);
  assert.ok(searched.considered.length > 0);
  assert.match(searched.data!, /sets none aside for calibration/);
  const spoiled = path.join(folder, "nan.onnx");
  writeFileSync(spoiled, network({ h2: NaN }));
  const refused = await ask(spoiled, data, null);
  assert.deepEqual(refused.considered, []);
  assert.match(refused.reasons[0]!, /own outputs .* are NaN/);
});

test("cancelling is heard and leaves nothing", async (t) => {
  const folder = tempFolder(t);
  const { model, data } = await writeNetwork(folder, 100);
  const tools = testTools(folder);
  let heard = 0;
  const cancelled: Task = {
    signal: {
      ...task.signal,
      get aborted() {
        return heard > 12;
      },
    },
    progress: () => heard++,
  };
  const to = path.join(folder, "small.onnx");
  await assert.rejects(
    optimize(
      tools,
      {
        doc: { ...docOf(model), data },
        goal: goal({ maxDrop: 0.05 }),
        to,
        overwrite: false,
        limit: null,
      },
      cancelled,
    ),
    Cancelled,
  );
  assert.ok(!existsSync(to));
  assert.deepEqual(readdirSync(tools.scratch.temp), []);
});
