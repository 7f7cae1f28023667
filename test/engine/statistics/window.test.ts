/**
 * Patches of convolutions: wᵀ G w is the mean square of the output that the runtime itself computes,
 * and wᵀ E[x] its mean, for every kind of padding, stride, dilation and group.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { valueAt, useOf } from "../../../src/core/statistics.ts";
import { referenceKernels } from "../../../src/kernels/reference.ts";
import { dtype } from "../../../src/shared/dtype.ts";
import { mainGraph } from "../../../src/core/model.ts";
import { gaussian } from "../../helpers/random.ts";
import { measuring } from "../../helpers/statistics.ts";

interface Case {
  readonly name: string;
  /** Of one sample. */
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attrs?: string;
}
const CASES: readonly Case[] = [
  { name: "plain", x: [3, 7, 6], w: [4, 3, 3, 3] },
  { name: "1×1", x: [5, 4, 4], w: [3, 5, 1, 1] },
  { name: "pads, uneven", x: [3, 7, 6], w: [4, 3, 3, 2], attrs: "pads: [1, 0, 2, 1]" },
  { name: "strides", x: [2, 9, 8], w: [3, 2, 3, 3], attrs: "strides: [2, 3], pads: [1, 1, 1, 1]" },
  {
    name: "dilations",
    x: [2, 9, 8],
    w: [3, 2, 3, 2],
    attrs: "dilations: [2, 3], pads: [2, 1, 2, 1]",
  },
  { name: "groups", x: [6, 5, 5], w: [8, 3, 3, 3], attrs: "group: 2, pads: [1, 1, 1, 1]" },
  { name: "depthwise", x: [4, 6, 6], w: [4, 1, 3, 3], attrs: "group: 4, pads: [1, 1, 1, 1]" },
  {
    name: "SAME_UPPER",
    x: [2, 7, 8],
    w: [3, 2, 4, 3],
    attrs: 'auto_pad: "SAME_UPPER", strides: [2, 2]',
  },
  {
    name: "SAME_LOWER",
    x: [2, 7, 8],
    w: [3, 2, 4, 3],
    attrs: 'auto_pad: "SAME_LOWER", strides: [2, 3]',
  },
  {
    name: "VALID",
    x: [2, 7, 8],
    w: [3, 2, 3, 3],
    attrs: 'auto_pad: "VALID", kernel_shape: [3, 3]',
  },
  { name: "1-D", x: [3, 17], w: [5, 3, 4], attrs: "pads: [2, 1], strides: [2]" },
  {
    name: "3-D",
    x: [2, 4, 5, 6],
    w: [3, 2, 2, 3, 3],
    attrs: "pads: [1, 1, 0, 0, 1, 2], strides: [1, 2, 1]",
  },
];

for (const { name, x, w, attrs = "" } of CASES)
  test(`convolution: ${name}`, async (t) => {
    const samples = 5;
    const count = samples * x.reduce((a, b) => a * b, 1);
    const outDims = w.slice(2).map((_, i) => `o${i}`);
    const { stat, models } = measuring(t, {
      inputs: { x: [[samples, ...x], gaussian(count, 3)] },
      models: {
        before: `
opset 17
input x float32 [n, ${x.join(", ")}]
a = Abs(x)
w = float32 [${w.join(", ")}] normal
y = Conv(a, w)${attrs === "" ? "" : ` { ${attrs} }`}
output y float32 [n, ${w[0]}, ${outDims.join(", ")}]`,
      },
    });
    const [gram, output] = await Promise.all([
      stat({ stat: "gram", at: useOf([], "y"), of: "before" }),
      stat({ stat: "moments", at: valueAt([], "y"), of: "before" }),
    ]);
    assert.equal(gram.key, output.key, "all rows of the same samples");
    assert.equal(gram.rows, output.rows, "a row for every position of the output");
    const tensor = mainGraph(models.before).tensors.get("w");
    assert.ok(tensor?.at instanceof Uint8Array);
    const weight = referenceKernels.toF32(dtype("float32"), tensor.at, tensor.sizeBytes / 4);
    const { k, groups, data, mean } = gram;
    assert.equal(
      k,
      w.slice(1).reduce((a, b) => a * b, 1),
    );
    for (let o = 0; o < w[0]!; o++) {
      const group = Math.floor(o / (w[0]! / groups));
      let square = 0;
      let first = 0;
      for (let i = 0; i < k; i++) {
        first += weight[o * k + i]! * mean[group * k + i]!;
        for (let j = 0; j < k; j++)
          square += weight[o * k + i]! * weight[o * k + j]! * data[(group * k + i) * k + j]!;
      }
      const expected = output.variance[o]! + output.mean[o]! ** 2;
      assert.ok(Math.abs(square - expected) < 1e-5 * expected, `${square} ${expected}`);
      assert.ok(Math.abs(first - output.mean[o]!) < 1e-5 * Math.sqrt(expected));
    }
  });
