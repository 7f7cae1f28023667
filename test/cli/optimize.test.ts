/** `lathe optimize` and `lathe explain`: goals, exit codes, files, keys. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { writeNetwork } from "../engine/advise/net.ts";
import { workplace } from "./lathe.ts";

const here = workplace();
const file = (name: string): string => path.join(here.folder, name);
before(async () => {
  await writeNetwork(here.folder, 600);
});

describe("optimize", () => {
  it("writes the model, its recipe and a report, with the promised keys", async () => {
    const run = await here.lathe(
      ...["optimize", "model.onnx", "-o", "small.onnx", "--data", "dataset.json"],
      // With a size to reach the outcome does not hang on what this machine's clock says of speed.
      ...["--max-drop", "5%", "--target-size", "45%", "--json"],
    );
    assert.equal(run.code, 0, run.stderr + run.stdout);
    const answer = JSON.parse(run.stdout) as Record<string, unknown>;
    for (const key of ["entries", "output", "verified", "before", "after", "drop"])
      assert.ok(answer[key] !== undefined && answer[key] !== null, key);
    for (const key of ["dropLow", "dropHigh", "latencyRatio", "considered", "reasons"])
      assert.ok(answer[key] !== undefined && answer[key] !== null, key);
    assert.ok((answer["dropHigh"] as number) <= 0.05);
    const { accuracy, latency } = answer["comparison"] as Record<string, Record<string, unknown>>;
    assert.deepEqual(accuracy!["after"], answer["after"], "nothing is measured twice");
    assert.equal(latency!["ratio"], answer["latencyRatio"]);
    assert.ok((answer["sizeAfter"] as number) < 0.5 * (answer["sizeBefore"] as number));
    for (const name of ["small.onnx", "small.onnx.lathe.json", "small.onnx.html"])
      assert.ok(existsSync(file(name)), name);
  });

  it("says so and exits with 1 when the goal cannot be met", async () => {
    const run = await here.lathe(
      ...["optimize", "model.onnx", "-o", "tiny.onnx", "--data", "dataset.json"],
      ...["--target-size", "1%", "--quiet"],
    );
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stdout, /cannot be reached: the smallest .* is/);
    assert.ok(!existsSync(file("tiny.onnx")));
  });

  it("names what is missing or wrong", async () => {
    const out = ["optimize", "model.onnx", "-o", "x.onnx"] as const;
    const refused = async (args: readonly string[], text: RegExp): Promise<void> => {
      const run = await here.lathe(...args);
      assert.equal(run.code, 2, run.stdout + run.stderr);
      assert.match(run.stderr, text);
    };
    await refused([...out, "--data", "dataset.json"], /needs a goal/);
    await refused([...out, "--max-drop", "1%"], /needs calibration data/);
    await refused([...out, "--max-drop", "lots"], /--max-drop is "lots"/);
    await refused([...out, "--target-size", "25"], /--target-size is "25"/);
    await refused(["optimize", "model.onnx", "--faster"], /needs an output/);
  });
});

describe("explain", () => {
  it("names layers and the next action", async () => {
    const run = await here.lathe(
      ...["explain", "model.onnx", "-t", "quantize.weightOnly", "-p", "bits=2"],
      ...["--data", "dataset.json"],
    );
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /Top-1 accuracy goes from 100\.00 %/);
    assert.match(run.stdout, /^Next: /m);
    assert.match(run.stdout, /h2/);
  });

  it("needs data", async () => {
    const run = await here.lathe("explain", "model.onnx", "-t", "quantize.weightOnly");
    assert.equal(run.code, 2);
    assert.match(run.stderr, /needs data/);
  });
});
