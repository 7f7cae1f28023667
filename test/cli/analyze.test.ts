/** `lathe analyze` and `lathe list analyzers`. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { AnalyzerEntry } from "../../src/shared/protocol.ts";
import type { Report } from "../../src/shared/report.ts";
import { workplace, type Run } from "./lathe.ts";
import { classifier, weights } from "./models.ts";

const here = workplace();
before(() => here.write({ "model.onnx": classifier(), "model.safetensors": weights() }));

const reportsOf = (run: Run): Report[] => {
  assert.equal(run.code, 0, run.stderr + run.stdout);
  return (JSON.parse(run.stdout) as { reports: Report[] }).reports;
};

describe("analyze", () => {
  it("runs what needs no data by default, and prints findings and a table", async () => {
    const run = await here.lathe("analyze", "model.onnx");
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^cost\.model {2}/m);
    assert.match(run.stdout, /parameters in .* of weights/);
    assert.match(run.stdout, /MACs/);
  });

  it("gives reports as JSON, in the order asked for", async () => {
    const run = await here.lathe("analyze", "model.onnx", "--with", "cost.model", "--json");
    const [report, ...more] = reportsOf(run);
    assert.deepEqual(more, []);
    assert.deepEqual(Object.keys(report!).sort(), [
      "analyzer",
      "data",
      "findings",
      "metrics",
      "rows",
      "series",
      "skipped",
    ]);
    assert.equal(report!.analyzer, "cost.model");
  });

  it("passes parameters, and names what does not exist", async () => {
    const sized = reportsOf(
      await here.lathe("analyze", "model.onnx", "-p", "dims=batch=4", "--json"),
    ).find(({ analyzer }) => analyzer === "cost.model");
    assert.match(sized!.findings.join(" "), /batch = 4/);
    const unknown = await here.lathe("analyze", "model.onnx", "--with", "cost.modle");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /Did you mean "cost\.model"/);
    const stray = await here.lathe("analyze", "model.onnx", "--with", "cost.model", "-p", "dim=2");
    assert.equal(stray.code, 2);
    assert.match(stray.stderr, /Did you mean "dims"/);
  });

  it("says which analyzers do not fit a file of weights", async () => {
    const run = await here.lathe("analyze", "model.safetensors", "--with", "cost.*", "--json");
    for (const report of reportsOf(run)) assert.match(report.skipped[0]!.reason, /safetensors/);
  });
});

describe("list analyzers", () => {
  it("lists them with parameters", async () => {
    const run = await here.lathe("list", "analyzers", "--json");
    const entries = JSON.parse(run.stdout) as AnalyzerEntry[];
    assert.ok(entries.some(({ id, params }) => id === "cost.model" && "dims" in params));
    assert.match((await here.lathe("list", "analyzers")).stdout, /cost\.model/);
  });
});
