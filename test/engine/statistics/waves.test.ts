/** Passes: what shares one stays within the budget, and a plan tells their number beforehand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useOf, type Need } from "../../../src/core/statistics.ts";
import { openModel } from "../../../src/engine/files.ts";
import { plannedPasses } from "../../../src/engine/statistics/planned.ts";
import type { Job } from "../../../src/engine/statistics/jobs.ts";
import type { Opened } from "../../../src/engine/statistics/running.ts";
import { planWaves } from "../../../src/engine/statistics/waves.ts";
import { DataError } from "../../../src/shared/errors.ts";
import { gaussian, randomSource } from "../../helpers/random.ts";
import { calibrationData } from "../../helpers/statistics.ts";
import { modelFile, tempFolder } from "../../helpers/temp.ts";

test("3,000 places in passes that stay within the budget", () => {
  const next = randomSource(4);
  const probed = new Map(
    Array.from({ length: 1000 }, (_, i) => [
      `v${i}`,
      { shape: [1], bytes: Math.floor(next() * 1000) },
    ]),
  );
  const opened = { probed } as unknown as Opened;
  const jobs = Array.from({ length: 3000 }, (_, i) => {
    const source = {
      value: `v${i % 1000}`,
      view: { kind: "axis" as const, axis: 1 },
      channelAxis: 1,
    };
    return { sides: [{ opened, source }], bytes: Math.floor(next() * 2000) } as unknown as Job;
  });
  const waves = planWaves(jobs, 10_000);
  assert.deepEqual(
    waves.flatMap((wave) => wave.jobs),
    jobs,
  );
  for (const wave of waves) {
    const values = new Set(wave.jobs.flatMap(({ sides }) => sides.map((s) => s.source.value)));
    const captured = [...values].reduce((sum, name) => sum + probed.get(name)!.bytes, 0);
    const sums = wave.jobs.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(captured + sums <= 10_000, `${captured} + ${sums}`);
  }
  assert.ok(waves.length < 3000 / 4);
  assert.equal(planWaves(jobs, 1).length, 3000, "what is too large for any budget comes alone");
});

test("a plan tells passes and samples", async (t) => {
  const folder = tempFolder(t);
  const model = openModel(
    modelFile(
      folder,
      `
opset 17
input x float32 [n, 8]
w = float32 [8, 4] normal
y = MatMul(x, w)
output y float32 [n, 4]`,
    ),
  );
  const models = { base: model, before: model };
  const data = calibrationData(folder, { x: [[30, 8], gaussian(240, 1)] });
  const need = (stat: Need["stat"], node = "y"): Need => ({
    stat,
    at: useOf([], node),
    of: "before",
  });
  const passes = (...needs: Need[]): ReturnType<typeof plannedPasses> =>
    plannedPasses(needs, models, data);
  assert.deepEqual(await passes(need("gram"), need("range")), { passes: 1, samples: 30 });
  assert.deepEqual(await passes(need("gram"), need("histogram")), { passes: 2, samples: 30 });
  assert.deepEqual(await passes(need("gram", "nowhere")), { passes: 0, samples: 30 });
  assert.equal(await passes(), null);
  assert.equal(await plannedPasses([need("gram")], models, null), null);
  const other = calibrationData(tempFolder(t), { x: [[30, 7], gaussian(210, 1)] });
  await assert.rejects(plannedPasses([need("gram")], models, other), DataError);
});
