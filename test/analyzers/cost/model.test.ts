import assert from "node:assert/strict";
import model from "../../../src/analyzers/cost/model.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";

const MLP = `
opset 17
input x float32 [batch, 8]
w = float32 [8, 32] normal
b = float32 [32] zeros
v = float32 [32, 4] normal
h = MatMul(x, w)
a = Add(h, b)
r = Relu(a)
y = MatMul(r, v)
output y float32 [batch, 4]
`;

testAnalyzer(model, [
  {
    name: "parameters, bytes, multiply-accumulates and memory of each node, by hand",
    model: MLP,
    check: (report) => {
      assert.equal(valueOf(report, "h", "parameters"), 256);
      assert.equal(valueOf(report, "h", "weightBytes"), 1024);
      assert.equal(valueOf(report, "h", "macs"), 256);
      assert.equal(valueOf(report, "h", "outputBytes"), 128);
      // x and h; h and a; a and r; r and y.
      assert.equal(valueOf(report, "h", "aliveBytes"), 32 + 128);
      assert.equal(valueOf(report, "a", "aliveBytes"), 256);
      assert.equal(valueOf(report, "r", "aliveBytes"), 256);
      assert.equal(valueOf(report, "y", "aliveBytes"), 128 + 16);
      assert.deepEqual(report.series[0]?.y, [160, 256, 256, 144]);
      assert.match(report.findings.join(" "), /416 parameters in 1\.66 kB/);
      assert.match(report.findings.join(" "), /256 bytes at most, while a runs/);
      assert.match(report.findings.join(" "), /batch = 1/);
      assert.equal(report.rows[0]?.target, "h", "dearest first");
    },
  },
  {
    name: "symbolic dimensions are the user's",
    model: MLP,
    params: { dims: "batch=16" },
    check: (report) => {
      assert.equal(valueOf(report, "h", "macs"), 4096);
      assert.equal(valueOf(report, "h", "parameters"), 256);
      assert.equal(valueOf(report, "a", "aliveBytes"), 4096);
    },
  },
  {
    name: "an unknown dimension is named with the known ones",
    model: MLP,
    params: { dims: "bach=16" },
    refused: "batch",
  },
  {
    name: "a size that is none is refused",
    model: MLP,
    params: { dims: "batch=0" },
    refused: "dims",
  },
  {
    name: "a value that is read late stays alive; a weight used twice counts once",
    model: `
opset 17
input x float32 [1, 8]
w = float32 [8, 8] normal
h = MatMul(x, w)
i = MatMul(h, w)
j = Relu(i)
y = Add(j, h)
output y float32 [1, 8]
`,
    check: (report) => {
      assert.equal(valueOf(report, "i", "aliveBytes"), 64);
      assert.equal(valueOf(report, "j", "aliveBytes"), 96);
      assert.equal(valueOf(report, "h", "weightBytes"), 256);
      assert.equal(valueOf(report, "i", "weightBytes"), 0);
    },
  },
  {
    name: "nodes whose shapes are not known are named",
    model: `
opset 17
input x float32 [1, 8]
input s int64 [n]
r = Reshape(x, s)
y = Relu(r)
output y float32
`,
    skips: { r: "not known", y: "not known" },
  },
  {
    name: "a body counts while its node runs",
    model: `
opset 17
input c bool []
input x float32 [1, 8]
y = If(c) { then_branch: graph {
  t = Relu(x)
  u = Exp(t)
  output u float32 [1, 8]
}, else_branch: graph {
  e = Relu(x)
  output e float32 [1, 8]
} }
output y float32 [1, 8]
`,
    check: (report) => {
      // c, x, y, then t and u of the branch.
      assert.equal(valueOf(report, "y", "aliveBytes"), 1 + 32 + 32 + 32 + 32);
    },
  },
  {
    name: "a safetensors file is refused by name",
    model: "w = float32 [2, 2] ones\n",
    format: "safetensors",
    skips: { "the model": "onnx" },
  },
]);
