/** Inference through a model's own functions, sequences and optionals. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { inferShapes, type ShapeTable } from "../../src/core/shapeInference.ts";
import { FunctionProtoSchema, ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { modelFromBytes, modelFromText } from "./modelText.ts";

/** The main graph of `text` with the graph of `body` as function `my.F`, whose attribute `axis` it may refer to. */
function withFunction(text: string, body: string): ShapeTable {
  const model = fromBinary(ModelProtoSchema, onnxFromText(text));
  const { graph, opsetImport } = fromBinary(ModelProtoSchema, onnxFromText(body));
  const node = graph?.node ?? [];
  for (const { attribute } of node)
    for (const one of attribute) if (one.name === "axis") one.refAttrName = "axis";
  model.functions.push(
    create(FunctionProtoSchema, {
      domain: "my",
      name: "F",
      input: (graph?.input ?? []).map(({ name }) => name),
      output: (graph?.output ?? []).map(({ name }) => name),
      attribute: ["axis"],
      opsetImport,
      node,
    }),
  );
  return inferShapes(modelFromBytes(toBinary(ModelProtoSchema, model)));
}

describe("functions of a model", () => {
  const body = `input a float32 input b float32
    c = Concat(a, b) { axis: 0 }
    d = Relu(c)
    output d float32`;
  it("give what their body gives for the inputs and attributes of each call", () => {
    const table = withFunction(
      `opset my 1
       input x float32 [2, 3]
       r = my.F(x, x) { axis: 1 }
       y = my.F(r, r) { axis: 0 }`,
      body,
    );
    assert.deepEqual(table.shapeOf([], "r"), [2, 6]);
    assert.deepEqual(table.shapeOf([], "y"), [4, 6]);
    assert.equal(table.dtypeOf([], "y")?.name, "float32");
  });
  it("end when one calls itself", () => {
    const table = withFunction(
      "opset my 1\ninput x float32 [2]\ny = my.F(x)",
      "opset my 1\ninput a float32\nd = my.F(a)\noutput d float32",
    );
    assert.equal(table.shapeOf([], "y"), null);
  });
});

describe("sequences and optionals", () => {
  const infer = (text: string): ShapeTable => inferShapes(modelFromText(text));
  it("are followed through a split and a concatenation", () => {
    const table = infer(`opset 17
      input x float32 [6, 4]
      n = int64 [] [2]
      s = SplitToSequence(x, n)
      l = SequenceLength(s)
      y = ConcatFromSequence(s) { axis: 0, new_axis: 1 }
      z = ConcatFromSequence(s) { axis: 1 }`);
    assert.deepEqual(table.elementsOf([], "l"), [3]);
    assert.deepEqual(table.shapeOf([], "y"), [3, 2, 4]);
    assert.deepEqual(table.shapeOf([], "z"), [2, 12]);
  });
  it("have the elements that a loop puts in", () => {
    const table = infer(`opset 17
      input x float32 [3]
      n = int64 [] [4]
      t = bool [] [1]
      e = SequenceEmpty()
      s = Loop(n, t, e) { body: graph {
        input i int64 [] input c bool [] input before float32
        d = Identity(c) after = SequenceInsert(before, x)
        output d bool [] output after float32
      } }
      y = SequenceAt(s, n)`);
    assert.deepEqual(table.shapeOf([], "y"), [3]);
  });
  it("hold what goes in", () => {
    const table = infer(`opset 18
      input x float16 [2, n]
      o = Optional(x)
      y = OptionalGetElement(o)`);
    assert.deepEqual(table.shapeOf([], "y"), [2, "n"]);
    assert.equal(table.infoOf([], "o").holds?.kind, "optional");
  });
});
