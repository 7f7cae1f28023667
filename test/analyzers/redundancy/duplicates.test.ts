import assert from "node:assert/strict";
import duplicates from "../../../src/analyzers/redundancy/duplicates.ts";
import { testAnalyzer, valueOf } from "../../helpers/analyzers.ts";

testAnalyzer(duplicates, [
  {
    name: "identical tensors, in nodes and branches too",
    model: `input x float32 [3, 64] input c bool [] a = float32 [64, 64] ones b = float32 [64, 64] ones n = Constant() { value: float32 [64, 64] ones }
      y = If(c) { then_branch: graph { l = float32 [64, 64] ones t = MatMul(x, l) output t float32 [3, 64] },
                  else_branch: graph { m = float32 [64, 64] normal e = MatMul(x, m) output e float32 [3, 64] } }
      p = MatMul(y, a) q = MatMul(p, b) z = MatMul(q, n) output z float32 [3, 64]`,
    check: (report) => {
      assert.equal(report.rows.length, 3);
      assert.equal(valueOf(report, "b", "identical"), 16384);
      assert.equal(valueOf(report, "y/then_branch/l", "identical"), 16384);
      assert.equal(valueOf(report, "n", "identical"), 16384);
      assert.match(
        report.findings[0] ?? "",
        /^3 identical copies, 49152 bytes: .*share\.deduplicate/,
      );
    },
  },
  {
    name: "transposed copies",
    format: "safetensors",
    model: `a = float32 [32, 16] ones b = float32 [16, 32] ones c = float32 [16, 32] normal`,
    check: (report) => {
      assert.equal(report.rows.length, 1);
      assert.equal(valueOf(report, "a", "transposed"), 2048);
      assert.match(report.findings[0] ?? "", /1 transposed copy, 2048 bytes: a of b/);
    },
  },
  {
    name: "multiples: a range is a range times a factor",
    format: "safetensors",
    model: `a = float32 [40, 50] range b = float32 [40, 50] range * -3 c = float32 [40, 50] normal d = float32 [40, 50] normal e = float32 [40, 50] zeros`,
    check: (report) => {
      assert.deepEqual(
        report.rows.map(({ target }) => target),
        ["b"],
      );
      assert.ok(Math.abs((valueOf(report, "b", "factor") ?? 0) + 3) < 1e-5);
      assert.ok((valueOf(report, "b", "rest") ?? 1) < 1e-6);
    },
  },
  {
    name: "nothing twice; small tensors and NaN are named",
    format: "safetensors",
    model: `a = float32 [64] normal b = float32 [64] normal n = float32 [64] nan s = float32 [2] ones t = float32 [2] ones`,
    skips: { "small tensors": "2 tensors under 64 bytes", n: "NaN" },
    check: (report) => {
      assert.deepEqual(report.rows, []);
      assert.deepEqual(report.findings, ["No tensor is stored twice."]);
    },
  },
]);
