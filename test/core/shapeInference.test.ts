import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Dim, Model } from "../../src/core/model.ts";
import { inferShapes } from "../../src/core/shapeInference.ts";
import { modelFromText } from "./modelText.ts";
import { SHAPE_CASES } from "./shapeCases.ts";

const shapeIn = (text: string, name = "y"): readonly Dim[] | null =>
  inferShapes(modelFromText(text)).shapeOf([], name);

describe("shape inference", () => {
  for (const { name, text, dtype, shape } of SHAPE_CASES)
    it(name, () => {
      const table = inferShapes(modelFromText(text));
      assert.deepEqual(table.shapeOf([], "y"), shape);
      assert.equal(table.dtypeOf([], "y")?.name, dtype);
    });

  describe("symbolic dimensions", () => {
    const x = "input x float32 [batch, seq, 128]\n";
    const cases: readonly (readonly [string, string, readonly Dim[] | null])[] = [
      ["pass through", `${x}y = Relu(x)`, ["batch", "seq", 128]],
      [
        "give way to a size above 1",
        `${x}c = float32 [5, 128] ones\ny = Add(x, c)`,
        ["batch", 5, 128],
      ],
      [
        "stay against a size of 1",
        `${x}c = float32 [1, 1] ones\ny = Add(x, c)`,
        ["batch", "seq", 128],
      ],
      [
        "are not known where two of them meet",
        `${x}input z float32 [batch, other, 128]\ny = Add(x, z)`,
        ["batch", null, 128],
      ],
      ["multiply", `${x}s = int64 [2] [-1, 128]\ny = Reshape(x, s)`, ["batch*seq", 128]],
      [
        "are found again",
        `${x}s = int64 [4] [0, 0, 4, -1]\ny = Reshape(x, s)`,
        ["batch", "seq", 4, 32],
      ],
      [
        "come out of products",
        `${x}s = int64 [2] [-1, 128]
         r = Reshape(x, s)
         b = Shape(x) { start: 0, end: 1 }
         m = int64 [2] [-1, 128]
         to = Concat(b, m) { axis: 0 }
         y = Reshape(r, to)`,
        ["batch", "seq", 128],
      ],
      [
        "survive a convolution that keeps sizes",
        `input x float32 [n, 3, h, w]
         w1 = float32 [8, 3, 3, 3] normal
         y = Conv(x, w1) { pads: [1, 1, 1, 1] }`,
        ["n", 8, "h", "w"],
      ],
      [
        "and are not guessed after one that does not",
        `input x float32 [n, 3, h, w]
         w1 = float32 [8, 3, 3, 3] normal
         y = Conv(x, w1) { strides: [2, 2] }`,
        ["n", 8, null, null],
      ],
      ["add up to nothing known", `${x}y = Concat(x, x) { axis: 1 }`, ["batch", null, 128]],
      [
        "are measured by Range",
        `${x}i = int64 [] [1]
         s = Shape(x)
         n = Gather(s, i)
         zero = int64 [] [0]
         one = int64 [] [1]
         y = Range(zero, n, one)`,
        ["seq"],
      ],
    ];
    for (const [name, text, expected] of cases)
      it(name, () => {
        assert.deepEqual(shapeIn(text), expected);
      });
    it("can be bound to numbers", () => {
      const model = modelFromText(
        `input x float32 [n, 3, h, w]\nw1 = float32 [8, 3, 3, 3] normal\ny = Conv(x, w1) { strides: [2, 2] }`,
      );
      const bind = (symbol: string | null): number => (symbol === "n" ? 2 : 9);
      assert.deepEqual(inferShapes(model, { bind }).shapeOf([], "y"), [2, 8, 4, 4]);
      assert.deepEqual(inferShapes(model).shapeOf([], "y"), ["n", 8, null, null]);
    });
  });

  describe("what is not known", () => {
    it("is null for an operator without a rule, unless the file declares it", () => {
      const text = "opset my.domain 1\ninput x float32 [2]\ny = my.domain.Strange(x)";
      assert.equal(shapeIn(text), null);
      assert.deepEqual(shapeIn(`${text}\nvalue y float32 [2, n]`), [2, "n"]);
    });
    it("is null where the branches of an If differ", () => {
      const branches = (other: string): string => `input x float32 [2, 3]
        input c bool []
        y = If(c) {
          then_branch: graph { p = Relu(x) output p float32 },
          else_branch: graph { q = Transpose(${other}) output q float32 }
        }`;
      assert.deepEqual(shapeIn(branches("x")), [null, null]);
    });
    it("is the size of a carried value that grows", () => {
      const text = `input x float32 [3]
        n = int64 [] [4]
        t = bool [] [1]
        y = Loop(n, t, x) { body: graph {
          input i int64 [] input c bool [] input a float32
          d = Identity(c) b = Concat(a, a) { axis: 0 }
          output d bool [] output b float32
        } }`;
      assert.deepEqual(shapeIn(text), [null]);
    });
    it("is the result of reshaping to a computed shape of known rank", () => {
      const text = "input x float32 [2, 3]\ninput s int64 [4]\ny = Reshape(x, s)";
      assert.deepEqual(shapeIn(text), [null, null, null, null]);
    });
    it("is a window that does not fit its input", () => {
      const text = "input x float32 [1, 1, 2, 2]\nw = float32 [1, 1, 3, 3] ones\ny = Conv(x, w)";
      assert.deepEqual(shapeIn(text), [1, 1, null, null]);
    });
  });

  it("sees values of outer graphs from inside a body", () => {
    const model = modelFromText(`input x float32 [2, 3]
      input c bool []
      y = If(c) {
        then_branch: graph { p = Transpose(x) output p float32 },
        else_branch: graph { q = Transpose(x) output q float32 }
      }
      output y float32`);
    const table = inferShapes(model);
    assert.deepEqual(table.shapeOf(["y", "then_branch"], "p"), [3, 2]);
    assert.deepEqual(table.shapeOf(["y", "then_branch"], "x"), [2, 3]);
  });

  it("ends on loops inside loops that never settle", () => {
    const loop = (depth: number): string =>
      depth === 0
        ? `b0 = Concat(a0, a0) { axis: 0 }`
        : `b${depth} = Loop(n, t, a${depth}) { body: graph {
             input i${depth} int64 [] input c${depth} bool [] input a${depth - 1} float32
             d${depth} = Identity(c${depth}) ${loop(depth - 1)}
             output d${depth} bool [] output b${depth - 1} float32
           } }`;
    const text = `input a12 float32 [3, 3]\nn = int64 [] [4]\nt = bool [] [1]\n${loop(12)}`;
    const model: Model = modelFromText(text);
    const started = performance.now();
    inferShapes(model);
    assert.ok(performance.now() - started < 2000);
  });
});
