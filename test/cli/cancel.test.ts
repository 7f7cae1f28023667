/** Ctrl-C: the terminal is free at once, nothing is left behind, exit code 130. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { workplace } from "./lathe.ts";
import { classifier, wide } from "./models.ts";

const here = workplace();
before(() => here.write({ "wide.onnx": wide(4096), "small.onnx": classifier() }));

/** Resolves with the first text on standard error: the first line of progress. */
const firstProgress = (child: ReturnType<typeof here.start>["child"]): Promise<string> =>
  new Promise((resolve, reject) => {
    child.stderr?.once("data", (text: unknown) => resolve(String(text)));
    child.once("exit", () => reject(new Error("it ended before it told its progress")));
  });

describe("cancelling", () => {
  const APPLY = ["apply", "wide.onnx", "-t", "quantize.weightOnly", "-o", "out.onnx"] as const;
  /** Factoring [4096, 4096] takes most of a minute: there is a middle to stop it in. */
  const LONG = [
    ...["apply", "wide.onnx", "-t", "lowrank.svd", "-p", "head=factor"],
    ...["-o", "out.onnx"],
  ] as const;

  it("in the middle of applying leaves the folder as it was", async () => {
    const listing = here.listing();
    const { child, done } = here.start(...LONG);
    assert.match(await firstProgress(child), /^ *\d+ % {2}/);
    const start = performance.now();
    child.kill("SIGINT");
    const { code, stdout, stderr } = await done;
    assert.ok(performance.now() - start < 3000, "the terminal is free soon");
    assert.equal(code, 130);
    assert.equal(stdout, "");
    assert.match(stderr, /^Cancelled; nothing was written\.$/m);
    assert.deepEqual(here.listing(), listing);
  });

  it("is a failure of its own kind in JSON", async () => {
    const { child, done } = here.start("bench", "small.onnx", "--runs", "100000", "--json");
    await firstProgress(child);
    child.kill("SIGINT");
    const { code, stdout } = await done;
    assert.equal(code, 130);
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, "cancelled");
  });

  it("works again afterwards", async () => {
    const { code, stderr } = await here.lathe(...APPLY, "--quiet");
    assert.equal(code, 0, stderr);
    assert.ok(here.listing().some((line) => line.startsWith("out.onnx ")));
  });

  it("twice does not wait for anything", async () => {
    const { child, done } = here.start("bench", "small.onnx", "--runs", "100000");
    await firstProgress(child);
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGINT"), 50);
    const start = performance.now();
    const { code } = await done;
    assert.equal(code, 130);
    assert.ok(performance.now() - start < 700);
  });
});
