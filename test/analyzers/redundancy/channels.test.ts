import assert from "node:assert/strict";
import channels from "../../../src/analyzers/redundancy/channels.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";
import { gaussian } from "../../helpers/random.ts";

/** Filter 1 is zero, filter 3 is −2 × filter 0; the bias of channel 2 keeps it below zero. */
const NET = `input x float32 [n, 2]
  w = float32 [2, 4] [1, 0, 0.1, -2, 0.5, 0, -0.1, -1]  b = float32 [4] [0, 1, -50, 0]
  h = Gemm(x, w, b) { name: "h" }  r = Relu(h)  v = float32 [4, 3] normal  y = MatMul(r, v) { name: "y" }
  output y float32 [n, 3]`;

testAnalyzer(channels, [
  {
    name: "by weights, by hand",
    model: NET,
    check: (report) => {
      assert.equal(valueOf(report, "h", "channels"), 4);
      assert.equal(valueOf(report, "h", "zero"), 1);
      assert.equal(valueOf(report, "h", "similar"), 1);
      assert.equal(valueOf(report, "h", "sparsity"), 0.25);
      assert.equal(valueOf(report, "h", "dead"), null);
      assert.match(report.findings[0]!, /Only zero weights: 1 channel \(h 1 of 4\)/);
      assert.equal(report.data, null);
    },
  },
  {
    name: "by activations, behind the activation function",
    model: NET,
    data: { inputs: { x: { shape: [64, 2], values: gaussian(128, 3) } } },
    check: (report) => {
      assert.equal(valueOf(report, "h", "dead"), 1);
      assert.equal(valueOf(report, "h", "constant"), 1);
      // Relu of a value and of −2 times it are not correlated to 0.98.
      assert.equal(valueOf(report, "h", "correlated"), 0);
      assert.match(report.findings.join(" "), /Zero on all \d+ samples: 1 channel/);
    },
  },
  {
    name: "channels that follow from another; NaN is named",
    model: `input x float32 [n, 2]  w = float32 [2, 3] [1, 2, 0, 0, 0, 1]  h = MatMul(x, w) { name: "h" }
      v = float32 [3, 3] nan  y = MatMul(h, v) { name: "y" }  output y float32 [n, 3]`,
    data: { inputs: { x: { shape: [64, 2], values: gaussian(128, 3) } } },
    skips: { y: "NaN or infinite" },
    check: (report) => {
      assert.equal(valueOf(report, "h", "correlated"), 1);
      assert.equal(valueOf(report, "h", "similar"), 1);
    },
  },
]);
