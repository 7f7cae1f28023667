import assert from "node:assert/strict";
import deduplicate from "../../../src/transforms/share/deduplicate.ts";
import { nodesAsText } from "../../helpers/graphText.ts";
import { testTechnique } from "../../helpers/harness.ts";

const NONE = "no two of them are equal";

testTechnique(deduplicate, [
  {
    name: "equal tensors, small and large",
    model: `input x float32 [2, 200] a = float32 [200, 200] ones b = float32 [200, 200] ones
      c = float32 [200, 200] normal one = float32 [1] [1] uno = float32 [1] [1]
      d = MatMul(x, a) e = MatMul(d, b) f = MatMul(e, c) g = Add(f, one) y = Mul(g, uno)
      output y float32 [2, 200]`,
    sizes: "atMost",
    units: ["float32 [200, 200]", "float32 [1]"],
    skips: { "transposed copies": "no matrix" },
    tensors: ["a float32 [200, 200]", "c float32 [200, 200]", "one float32 [1]"],
    nodes: [
      "d = MatMul(x, a)",
      "e = MatMul(d, a)",
      "f = MatMul(e, c)",
      "g = Add(f, one)",
      "y = Mul(g, one)",
    ],
  },
  {
    name: "different values, and a type and a shape of their own",
    model: `input x float32 [2, 4] a = float32 [4] normal b = float32 [4] uniform c = float32 [1, 4] zeros
      d = Add(x, a) e = Add(d, b) y = Add(e, c) output y float32 [2, 4]`,
    sizes: "atMost",
    units: [],
    skips: { "float32 [4]": NONE },
  },
  {
    name: "NaN and signs of zero are bits like others",
    model: `input x float32 [2, 64] a = float32 [64] nan b = float32 [64] zeros c = float32 [64] zeros
      d = Add(x, b) e = Mul(d, c) f = Mul(x, a) y = Where(k, e, f) k = bool [1] [1] output y float32 [2, 64]`,
    sizes: "atMost",
    units: ["float32 [64]"],
    skips: {},
  },
  {
    name: "a matrix stored again transposed is reported",
    model: `input x float32 [2, 32] a = float32 [32, 16] ones b = float32 [16, 32] ones
      d = MatMul(x, a) y = MatMul(d, b) output y float32 [2, 32]`,
    units: [],
    skips: { "transposed copies": "b and a (2048 bytes)" },
  },
  {
    name: "across branches, and outputs that stay",
    model: `input x float32 [3, 300] input c bool [] k = float32 [300] ones given = float32 [300] ones
      y = If(c) {
        then_branch: graph { l = float32 [300] ones a = Add(x, l) output a float32 [3, 300] },
        else_branch: graph { m = float32 [300] ones n = float32 [300] ones p = Mul(x, m) b = Add(p, n) output b float32 [3, 300] }
      } z = Mul(y, k) output z float32 [3, 300] output given float32 [300]`,
    sizes: "atMost",
    units: ["float32 [300]"],
    skips: {},
    tensors: ["k float32 [300]", "given float32 [300]"],
    check: (model) =>
      assert.deepEqual(nodesAsText(model.graphs.get(JSON.stringify(["y", "else_branch"]))!), [
        "p = Mul(x, k)",
        "b = Add(p, k)",
      ]),
  },
  {
    name: "initializers that callers may replace stay",
    model: `input x float32 [3] a = float32 [3] ones b = float32 [3] ones initializer-input b
      c = Add(x, a) y = Add(c, b) output y float32 [3]`,
    units: [],
    skips: { "graph inputs": "1 tensors are graph inputs too" },
  },
  {
    name: "tensors held in nodes",
    model: `input x float32 [3] a = Constant() { value: float32 [3] ones } b = Constant() { value: float32 [3] ones }
      c = Add(x, a) y = Add(c, b) output y float32 [3]`,
    units: [],
    skips: { "Constant nodes": "the 2 tensors they hold" },
  },
  {
    name: "safetensors cannot share bytes",
    format: "safetensors",
    model: `a = float32 [4, 4] ones b = float32 [4, 4] ones`,
    units: [],
    skips: { "the file": "bytes of its own" },
  },
]);
