/** `lathe check`: a gate passes or fails with its reason, and the exit code follows. */
import assert from "node:assert/strict";
import path from "node:path";
import { writeFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { network, writeNetwork } from "../engine/advise/net.ts";
import { workplace } from "./lathe.ts";

const here = workplace();
before(async () => {
  await writeNetwork(here.folder, 600);
  writeFileSync(path.join(here.folder, "spoiled.onnx"), network({ h2: 0.2 }));
});

interface Answer {
  readonly passed: boolean;
  readonly gates: readonly { name: string; passed: boolean; value: number; reason: string }[];
}

describe("check", () => {
  it("passes and fails by size, in bytes and as a share", async () => {
    const small = await here.lathe("check", "model.onnx", "--max-size", "10MB");
    assert.equal(small.code, 0, small.stdout + small.stderr);
    assert.match(small.stdout, /size +passed +.* within 10/);
    const large = await here.lathe("check", "model.onnx", "--max-size", "1KB", "--json");
    assert.equal(large.code, 1);
    const answer = JSON.parse(large.stdout) as Answer;
    assert.equal(answer.passed, false);
    assert.match(answer.gates[0]?.reason ?? "", /more than 1/);
    const half = ["--baseline", "model.onnx", "--max-size", "50%"] as const;
    assert.equal((await here.lathe("check", "spoiled.onnx", ...half)).code, 1);
  });

  it("passes a drop only with its whole interval", async () => {
    const against = ["--baseline", "model.onnx", "--data", "dataset.json", "--json"] as const;
    const same = await here.lathe("check", "model.onnx", ...against, "--max-drop", "1%");
    assert.equal(same.code, 0, same.stdout + same.stderr);
    const worse = await here.lathe("check", "spoiled.onnx", ...against, "--max-drop", "1%");
    assert.equal(worse.code, 1, worse.stdout);
    const [gate] = (JSON.parse(worse.stdout) as Answer).gates;
    assert.equal(gate?.name, "drop");
    assert.ok((gate?.value ?? 0) > 0.01, gate?.reason);
    assert.match(gate?.reason ?? "", /more than 1\.00 points/);
    // The point estimate is within the limit, its interval is not.
    const limit = `${((gate?.value ?? 0) * 100 + 0.5).toFixed(2)}%`;
    const unsure = await here.lathe("check", "spoiled.onnx", ...against, "--max-drop", limit);
    assert.equal(unsure.code, 1);
    assert.match(unsure.stdout, /is not shown/);
  });

  it("does not call a model faster than itself", async () => {
    const run = await here.lathe("check", "model.onnx", "--baseline", "model.onnx", "--faster");
    assert.match(run.stdout, /ratio of times [0-9.]+× \([0-9.]+× to/);
  });

  it("names what is missing", async () => {
    const refused = async (args: readonly string[], text: RegExp): Promise<void> => {
      const run = await here.lathe("check", "model.onnx", ...args);
      assert.equal(run.code, 2, run.stdout + run.stderr);
      assert.match(run.stderr, text);
    };
    await refused([], /nothing to check/);
    await refused(["--max-size", "50%"], /needs --baseline/);
    await refused(["--max-drop", "1%"], /needs --baseline/);
    await refused(["--baseline", "model.onnx", "--max-drop", "1%"], /needs --data/);
    await refused(["--max-size", "10"], /--max-size is "10"/);
    await refused(["--baseline", "absent.onnx", "--faster"], /absent\.onnx/);
  });
});
