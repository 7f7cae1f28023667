import assert from "node:assert/strict";
import latency from "../../../src/analyzers/cost/latency.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";

testAnalyzer(latency, [
  {
    name: "every operator that the runtime runs has a time, at the file's own node",
    model: `
opset 17
input x float32 [64, 256]
w = float32 [256, 256] normal * 0.05
v = float32 [256, 8] normal * 0.05
h = MatMul(x, w)
s = Sin(h)
y = MatMul(s, v)
output y float32 [64, 8]
`,
    params: { runs: 3 },
    timed: true,
    check: (report) => {
      assert.deepEqual(report.rows.map(({ target }) => target).sort(), ["h", "s", "y"]);
      for (const target of ["h", "s", "y"]) assert.ok(valueOf(report, target, "timeMs")! > 0);
      const shares = report.rows.reduce((sum, { values }) => sum + values[1]!, 0);
      assert.ok(Math.abs(shares - 1) < 1e-9);
      assert.match(report.data!, /synthetic/);
      assert.match(report.findings[1]!, new RegExp(`slowest is ${report.rows[0]!.target} `));
    },
  },
  {
    name: "what takes longest is named, also where the runtime gave it a name of its own",
    model: `
opset 17
input x float16 [1, 16, 32, 32]
w = float16 [32, 16, 3, 3] normal * 0.05
c = Conv(x, w) { pads: [1, 1, 1, 1], name: "conv" }
y = Flatten(c) { name: "flat" }
output y float16 [1, 32768]
`,
    params: { runs: 2 },
    timed: true,
    check: (report) => {
      const [first] = report.rows;
      assert.ok(report.findings[1]!.includes(` ${first!.target}`), report.findings[1]);
    },
  },
  {
    name: "merged convolutions are shown at the convolution, also in the runtime's own layout",
    model: `
opset 17
input x float32 [1, 16, 16, 16]
w = float32 [16, 16, 3, 3] normal * 0.05
s = float32 [16] ones
z = float32 [16] zeros
c = Conv(x, w) { pads: [1, 1, 1, 1] }
n = BatchNormalization(c, s, z, z, s)
r = Relu(n)
g = GlobalAveragePool(r)
output g float32 [1, 16, 1, 1]
`,
    params: { runs: 2 },
    timed: true,
    check: (report) => {
      assert.ok(valueOf(report, "c", "timeMs")! > 0);
      assert.ok(!report.rows.some(({ target }) => target === "n" || target === "r"));
    },
  },
]);
