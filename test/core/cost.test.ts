import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costOf } from "../../src/core/cost.ts";
import { modelFromText } from "./modelText.ts";

const macs = (text: string): number | null => costOf(modelFromText(text)).macs;

describe("multiply-accumulates", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    [
      "Conv: output elements × C/group × kernel",
      "input x float32 [2, 4, 9, 9]\nw = float32 [6, 2, 3, 3] normal\ny = Conv(x, w) { group: 2 }",
      2 * 6 * 7 * 7 * 2 * 9,
    ],
    [
      "ConvTranspose: input elements × M/group × kernel",
      "input x float32 [1, 4, 5, 5]\nw = float32 [4, 6, 3, 3] normal\ny = ConvTranspose(x, w)",
      4 * 25 * 6 * 9,
    ],
    [
      "MatMul: batch × M × N × K",
      "input x float32 [2, 3, 4]\nw = float32 [4, 5] normal\ny = MatMul(x, w)",
      2 * 3 * 4 * 5,
    ],
    [
      "Gemm, transposed",
      "input x float32 [4, 3]\nw = float32 [5, 4] normal\ny = Gemm(x, w) { transA: 1, transB: 1 }",
      3 * 4 * 5,
    ],
    [
      "MatMulNBits counts as the MatMul it stands for",
      "opset com.microsoft 1\ninput x float32 [3, 20]\nb = uint8 [8, 1, 16] range\ns = float32 [8, 1] ones\ny = com.microsoft.MatMulNBits(x, b, s) { K: 20, N: 8, bits: 4, block_size: 32 }",
      3 * 20 * 8,
    ],
    [
      "LSTM: steps × batch × 4 gates × (in + hidden) × hidden",
      "input x float32 [5, 2, 3]\nw = float32 [1, 16, 3] normal\nr = float32 [1, 16, 4] normal\ny = LSTM(x, w, r) { hidden_size: 4 }",
      5 * 2 * 16 * (3 + 4),
    ],
    [
      "Einsum of two operands",
      'input x float32 [2, 3, 4]\nw = float32 [4, 5] normal\ny = Einsum(x, w) { equation: "bij,jk->bik" }',
      2 * 3 * 4 * 5,
    ],
    ["elementwise work is free", "input x float32 [100]\ny = Relu(x)", 0],
    [
      "symbols count as 1",
      "input x float32 [batch, seq, 4]\nw = float32 [4, 5] normal\ny = MatMul(x, w)",
      20,
    ],
    [
      "of an If the dearer branch",
      `input x float32 [2, 3]
       input c bool []
       w = float32 [3, 5] normal
       y = If(c) {
         then_branch: graph { p = MatMul(x, w) output p float32 },
         else_branch: graph { q = Relu(x) output q float32 }
       }`,
      2 * 3 * 5,
    ],
    [
      "a Scan's body once per step",
      `input x float32 [7, 3]
       w = float32 [3, 3] normal
       h = float32 [3] zeros
       last, y = Scan(h, x) { num_scan_inputs: 1, body: graph {
         input a float32 [3] input b float32 [3]
         m = MatMul(b, w) s = Add(a, m) t = Identity(s)
         output s float32 [3] output t float32 [3]
       } }`,
      7 * 9,
    ],
  ];
  for (const [name, text, expected] of cases)
    it(name, () => {
      assert.equal(macs(text), expected);
    });

  it("gives VGG-16 its published 15.5 GMACs", () => {
    // Simonyan and Zisserman 2014, configuration D; weights by ConstantOfShape take no space here.
    const widths = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0];
    const lines = ["input x0 float32 [1, 3, 224, 224]"];
    let [channels, step] = [3, 0];
    const weight = (name: string, dims: readonly number[]): string =>
      `${name}_s = int64 [${dims.length}] [${dims.join(", ")}]\n${name} = ConstantOfShape(${name}_s)`;
    for (const width of widths) {
      const [from, to] = [`x${step}`, `x${++step}`];
      if (width === 0)
        lines.push(`${to} = MaxPool(${from}) { kernel_shape: [2, 2], strides: [2, 2] }`);
      else {
        lines.push(weight(`w${step}`, [width, channels, 3, 3]));
        lines.push(`${to} = Conv(${from}, w${step}) { pads: [1, 1, 1, 1] }`);
        channels = width;
      }
    }
    lines.push(`f0 = Flatten(x${step})`);
    [25088, 4096, 4096].forEach((inputs, i) => {
      lines.push(weight(`v${i}`, [i === 2 ? 1000 : 4096, inputs]));
      lines.push(`f${i + 1} = Gemm(f${i}, v${i}) { transB: 1 }`);
    });
    const cost = costOf(modelFromText(lines.join("\n")));
    assert.equal(cost.macs, 15_470_264_320);
    assert.equal(cost.nodes.length, 16);
  });

  it("is null, with the nodes named, where a shape is not known", () => {
    const cost = costOf(
      modelFromText(
        'opset my.domain 1\ninput x float32 [2, 4]\nw = float32 [4, 5] normal\nh = my.domain.Strange(x)\ny = MatMul(h, w) { name: "product" }',
      ),
    );
    assert.equal(cost.macs, null);
    assert.deepEqual(cost.unknown, [
      { name: "h", reason: "my.domain.Strange is not an operator Lathe knows" },
      { name: "product", reason: "a shape of this MatMul is not known" },
    ]);
  });
});
