/** quantize.static with `glue: probe`: masks are found by what rounding them does, whatever makes them. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import staticQuantize from "../../../src/transforms/quantize/static.ts";
import { fingerprint } from "../../../src/engine/files.ts";
import { writeCalibration } from "../../helpers/calibration.ts";
import { testEnvironment } from "../../helpers/environment.ts";
import { onnxFromText } from "../../helpers/graphText.ts";
import { testTechnique } from "../../helpers/harness.ts";
import { kernelsOf } from "../../helpers/kernels.ts";
import { tempFolder } from "../../helpers/temp.ts";

/** Attention with a residual; `masked` gives "sm" from the scaled products "sc" and `c`, [batch, 1, 6]. */
const attention = (masked: string): string => `
  input ids int64 [batch, 6]
  input mask int64 [batch, 6]
  table = float32 [20, 32] normal
  wq = float32 [32, 32] normal * 0.2
  wk = float32 [32, 32] normal * 0.2
  wv = float32 [32, 32] normal * 0.2
  wo = float32 [32, 32] normal * 0.2
  wy = float32 [32, 8] normal * 0.2
  bq = float32 [32] normal
  factor = float32 [1] [0.18]
  axis = int64 [1] [1]
  none = int64 [1] [0]
  zero = float32 [1] [0]
  least = float32 [1] [-3.4e38]
  big = float32 [1] [-10000]
  e = Gather(table, ids)
  q = MatMul(e, wq)
  qb = Add(q, bq)
  k = MatMul(e, wk)
  v = MatMul(e, wv)
  kt = Transpose(k) { perm: [0, 2, 1] }
  s = MatMul(qb, kt)
  sc = Mul(s, factor)
  u = Unsqueeze(mask, axis)
  c = Equal(u, none)
  ${masked}
  p = Softmax(sm) { axis: -1 }
  a = MatMul(p, v)
  o = MatMul(a, wo)
  r = Add(o, e)
  y = MatMul(r, wy)
  output y float32 [batch, 6, 8]`;

const integer = ["e", "q", "qb", "k", "v", "kt", "s", "sc", "a", "o", "r", "y"];
const shared = {
  params: { glue: "probe", probeKl: 0.001 },
  symbol: 6,
  units: integer,
  // A constant that several nodes use goes with the last of them.
  sizes: "atMost",
  errorDb: 20,
} as const;

testTechnique(staticQuantize, [
  {
    ...shared,
    name: "probe: a mask of -10000 that is added stays float, all else is integer",
    model: attention(`f = Cast(c) { to: 1 }
      mm = Mul(f, big)
      sm = Add(sc, mm)`),
    skips: { sm: 'rounding "sm" alone', p: 'rounding "sm" alone' },
  },
  {
    ...shared,
    name: "probe: a mask of -3.4e38 that Where makes and Add applies",
    model: attention(`mm = Where(c, least, zero)
      sm = Add(sc, mm)`),
    skips: { sm: 'rounding "sm" alone', p: 'rounding "sm" alone' },
  },
  {
    ...shared,
    name: "probe: a mask of -3.4e38 put in by Where, which gives float",
    model: attention("sm = Where(c, least, sc)"),
    skips: {},
  },
  {
    ...shared,
    name: "probe: nothing may move the outputs at all, so only the products are integer",
    model: attention("sm = Add(sc, zero)"),
    params: { glue: "probe", probeKl: 0 },
    units: ["e", "q", "k", "v", "o", "y"],
  },
  {
    name: "probe: an old operator set keeps the structural rule and says so",
    model: `opset 8
      input x float32 [batch, 8]
      w = float32 [8, 8] normal
      b = float32 [8] normal
      p = MatMul(x, w)
      y = Add(p, b)
      output y float32 [batch, 8]`,
    params: { glue: "probe" },
    units: ["p"],
    skips: { "the model": "operator set is 8" },
    errorDb: 30,
  },
]);

test("onnxruntime runs the probed glue on integers", async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, "model.onnx");
  writeFileSync(file, onnxFromText(attention("sm = Where(c, least, sc)")));
  const data = await writeCalibration(file, folder, { samples: 8, symbol: 6, below: 4 });
  const base = { path: file, fingerprint: fingerprint(file) };
  const recipe = [{ transform: "quantize.static", params: { ...shared.params } }];
  const kernels = await kernelsOf(await testEnvironment(folder).fileFor({ base, recipe, data }));
  for (const [op, count] of Object.entries({ QLinearMatMul: 6, QLinearAdd: 2, QLinearMul: 1 }))
    assert.equal(kernels.filter((kernel) => kernel === op).length, count, kernels.join(" "));
});
