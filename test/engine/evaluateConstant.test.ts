import assert from "node:assert/strict";
import { test } from "node:test";
import { graphAt, MAIN, type GraphPath, type Model } from "../../src/core/model.ts";
import type { ConstantValue } from "../../src/core/context.ts";
import { evaluateConstant } from "../../src/engine/evaluateConstant.ts";
import { openModel } from "../../src/engine/files.ts";
import { EngineError } from "../../src/shared/errors.ts";
import { modelFile, tempFolder } from "../helpers/temp.ts";

const TEXT = `
opset 17
input x float32 [2]
big = float32 [300, 300] ones
s = int64 [2] [2, 3]
k = Constant() { value: float32 [1] [4] }
filled = ConstantOfShape(s) { value: float32 [1] [5] }
sum = Add(filled, k)
half = Cast(sum) { to: 10 }
total = ReduceSum(big) { keepdims: 0 }
late = Mul(total, x)
y = Add(late, x)
t = Cast(half) { to: 1 }
output y float32 [2]
output t float32 [2, 3]`;

const pick = (model: Model, path: GraphPath, ...outputs: string[]) =>
  graphAt(model, path).nodes.filter((node) => outputs.includes(node.outputs[0] ?? ""));
const floats = (value: ConstantValue | undefined): number[] => [
  ...new Float32Array(value?.bytes.slice().buffer ?? new ArrayBuffer(0)),
];

test("a chain of nodes gives the values that others use, with type, shape and bytes", async (t) => {
  const model = openModel(modelFile(tempFolder(t), TEXT));
  const values = await evaluateConstant(model, MAIN, pick(model, MAIN, "filled", "sum", "half"));
  assert.deepEqual(
    values.map(({ name, dtype, shape }) => [name, dtype.name, shape]),
    [["half", "float16", [2, 3]]],
  );
  // 9 as float16.
  assert.deepEqual(
    [...new Uint16Array(values[0]?.bytes.slice().buffer ?? [])],
    Array(6).fill(0x4880),
  );
});

test("initializers in the file are read where they lie", async (t) => {
  const model = openModel(modelFile(tempFolder(t), TEXT));
  const [total] = await evaluateConstant(model, MAIN, pick(model, MAIN, "total"));
  assert.deepEqual([total?.shape, floats(total)], [[], [90_000]]);
});

test("inside a branch, constants of the graphs around it are seen", async (t) => {
  const text = `
opset 17
input c bool []
w = float32 [2] [1, 2]
y = If(c) {
  then_branch: graph { a = Neg(w) b = Abs(a) output b float32 [2] },
  else_branch: graph { d = Abs(w) output d float32 [2] }
}
output y float32 [2]`;
  const model = openModel(modelFile(tempFolder(t), text));
  const path =
    [...model.graphs.values()].find((g) => g.nodes.some((n) => n.op === "Neg"))?.path ?? [];
  assert.equal(path.length, 2);
  const [b] = await evaluateConstant(model, path, graphAt(model, path).nodes);
  assert.deepEqual([b?.name, floats(b)], ["b", [1, 2]]);
});

test("a node that needs an input of the model is refused by name", async (t) => {
  const model = openModel(modelFile(tempFolder(t), TEXT));
  await assert.rejects(
    evaluateConstant(model, MAIN, pick(model, MAIN, "late")),
    (error) =>
      error instanceof EngineError && /The value "(total|x)" is not a constant/.test(error.message),
  );
});

test("nodes whose values nobody uses give none", async (t) => {
  const text =
    "opset 17\ninput x float32 [2]\nw = float32 [2] ones\nn = Neg(w)\ny = Relu(x)\noutput y float32 [2]";
  const model = openModel(modelFile(tempFolder(t), text));
  assert.deepEqual(await evaluateConstant(model, MAIN, pick(model, MAIN, "n")), []);
});
