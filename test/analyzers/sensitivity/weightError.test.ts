import assert from "node:assert/strict";
import weightError from "../../../src/analyzers/sensitivity/weightError.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";

const MLP = `
opset 17
input x float32 [2, 64]
w = float32 [64, 64] normal
v = float32 [64, 32] uniform
h = MatMul(x, w)
r = Relu(h)
y = MatMul(r, v)
output y float32 [2, 32]
`;

testAnalyzer(weightError, [
  {
    name: "the worst weight first, relative error in step with SQNR",
    model: MLP,
    params: { candidate: "quantize.weightOnly bits=4" },
    check: (report) => {
      assert.deepEqual(
        report.rows.map(({ target }) => target),
        ["w", "v"],
      );
      for (const target of ["w", "v"]) {
        const db = valueOf(report, target, "sqnrDb")!;
        assert.ok(db > 15 && db < 35, String(db));
        const relative = valueOf(report, target, "relativeError")!;
        assert.ok(Math.abs(relative - 10 ** (-db / 20)) < 1e-12);
      }
      assert.equal(valueOf(report, "w", "bytesBefore"), 64 * 64 * 4);
      assert.ok(valueOf(report, "w", "bytesAfter")! < 64 * 64);
    },
  },
  {
    name: "8 bit is 24 dB better than 4 bit, 6 dB for each bit",
    model: MLP,
    params: { candidate: '{"transform": "quantize.weightOnly", "params": {"bits": 8}}' },
    check: (report) => assert.ok(valueOf(report, "w", "sqnrDb")! > 43),
  },
  {
    name: "a technique that does not exist is named",
    model: MLP,
    params: { candidate: "quantize.weigthOnly bits=4" },
    refused: "quantize.weightOnly",
  },
  {
    name: "a parameter that does not exist is named",
    model: MLP,
    params: { candidate: "quantize.weightOnly bit=4" },
    refused: "bits",
  },
  {
    name: "what is skipped is said",
    model: `
opset 17
input x float32 [2, 64]
w = float32 [64, 64] nan
y = MatMul(x, w)
output y float32 [2, 64]
`,
    check: (report) => {
      assert.deepEqual(report.rows, []);
      assert.match(report.findings[0] ?? "", /changes no weight here: .*NaN/i);
      assert.match(report.findings[1] ?? "", /^Next: try quantize\.float16/);
    },
  },
  {
    name: "a candidate that takes no layer of the model says why, and what would",
    model: `
opset 17
input x float32 [1, 2, 8, 8]
w = float32 [4, 2, 3, 3] normal
y = Conv(x, w)
output y float32 [1, 4, 6, 6]
`,
    params: { candidate: "quantize.weightOnly bits=4" },
    check: ({ findings }) => {
      assert.match(
        findings[0] ?? "",
        /changes no weight here: it holds nothing that quantize\.weightOnly would change/,
      );
      assert.match(findings[1] ?? "", /^Next: try quantize\.float16/);
    },
  },
  {
    name: "one weight is no distribution",
    model: `
opset 17
input x float32 [2, 64]
w = float32 [64, 64] normal
y = MatMul(x, w)
output y float32 [2, 64]
`,
    check: ({ findings }) => {
      assert.equal(findings.length, 1);
      assert.match(findings[0] ?? "", /^1 weight: SQNR [\d.]+ dB \(w\)\.$/);
    },
  },
]);
