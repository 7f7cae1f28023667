import assert from "node:assert/strict";
import layerwise from "../../../src/analyzers/sensitivity/layerwise.ts";
import { testAnalyzer, valueOf, type AnalyzerData } from "../../helpers/analyzers.ts";
import { gaussian } from "../../helpers/random.ts";

/** The middle layer's part is a hundredth of what passes by it, the last layer decides. */
const NET = `
opset 17
input x float32 [batch, 64]
a = float32 [64, 64] normal * 0.125
b = float32 [64, 64] normal * 0.125
c = float32 [64, 10] normal * 0.4
small = float32 [] [0.01]
h = MatMul(x, a)
r = Relu(h)
m = MatMul(r, b)
p = Mul(m, small)
s = Add(r, p)
y = MatMul(s, c)
output y float32 [batch, 10]
`;

const SAMPLES = 64;
const data = (labels: boolean): AnalyzerData => ({
  inputs: { x: { shape: [SAMPLES, 64], values: gaussian(SAMPLES * 64, 7) } },
  ...(labels ? { labels: Array.from({ length: SAMPLES }, (_, i) => i % 10) } : {}),
});

testAnalyzer(layerwise, [
  {
    name: "the layer that hardly counts is last, alone and kept",
    model: NET,
    params: { candidate: "quantize.weightOnly bits=2 block=16" },
    data: data(true),
    check: (report) => {
      assert.equal(report.rows.at(-1)?.target, "m");
      const kl = (target: string): number => valueOf(report, target, "kl")!;
      assert.ok(kl("y") > 10 * kl("m") && kl("h") > 10 * kl("m"));
      assert.ok(valueOf(report, "m", "sqnrDb")! > valueOf(report, "y", "sqnrDb")!);
      assert.ok(valueOf(report, "y", "agreement")! <= 1);
      assert.ok(valueOf(report, "y", "savedBytes")! > 0);
      assert.ok(
        report.metrics.some(({ id }) => id === "metric"),
        "labels give a metric",
      );
      assert.match(report.data!, /16 samples of .* that calibration does not use/);
      assert.match(report.findings.join(" "), /3 layers together/);
    },
  },
  {
    name: "all but one: keeping the layer that hardly counts wins nothing back",
    model: NET,
    params: { candidate: "quantize.weightOnly bits=2 block=16", mode: "allButOne" },
    data: data(false),
    limit: 8,
    check: (report) => {
      assert.equal(report.rows.at(-1)?.target, "m");
      assert.match(report.findings.join(" "), /Keeping (y|h) as it is helps most/);
      assert.match(report.data!, /8 samples/);
    },
  },
  {
    name: "techniques before the last are applied to every variant",
    model: NET,
    params: { candidate: "graph.clean; quantize.weightOnly bits=8" },
    data: data(false),
    check: (report) => assert.equal(report.rows.length, 3),
  },
  {
    name: "without data it is refused by name",
    model: NET,
    refused: "needs",
    params: { candidate: "quantize.weightOnly bits=8" },
  },
  {
    name: "a model without such layers gives an empty table and the reasons",
    model: `
opset 17
input x float32 [batch, 64]
y = Relu(x)
output y float32 [batch, 64]
`,
    data: data(false),
    check: (report) => {
      assert.deepEqual(report.rows, []);
      assert.match(report.findings[0]!, /no layer/);
    },
  },
]);
