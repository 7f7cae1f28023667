/** Defects of declared values, types and shapes. */
import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx_pb.ts";
import {
  body,
  initializer,
  intAttribute,
  ints,
  intsAttribute,
  lastOutput,
  late,
  node,
  tensorType,
  type Defects,
} from "./site.ts";

export const TYPES: Defects = {
  // values
  "input without a type": ({ graph }) => {
    delete graph.input[0]!.type;
  },
  "input without a shape": ({ graph }) => {
    graph.input[0]!.type = tensorType(1, null);
  },
  "output declared as another type": ({ graph }) => {
    graph.output[0]!.type = tensorType(7, [1]);
  },
  "output declared with another shape": ({ graph }) => {
    graph.output[0]!.type = tensorType(1, [3, 3, 3]);
  },
  "value declared with another shape": ({ graph, node }) => {
    graph.valueInfo.push(
      create(ValueInfoProtoSchema, {
        name: node().output[0]!,
        type: tensorType(1, [7, 7, 7, 7, 7]),
      }),
    );
  },
  // types and shapes
  "inputs of two types": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "ints", dims: [1n], dataType: 7, int64Data: [1n] }),
    );
    graph.node.push(node("Add", [lastOutput(graph), "ints"], ["late"]));
  },
  "type not allowed": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "flag", dims: [1n], dataType: 9, int32Data: [1] }),
    );
    graph.node.push(node("Sqrt", ["flag"], ["late"]));
  },
  "inner sizes differ": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2, 3], [1, 2, 3, 4, 5, 6]);
    graph.node.push(node("MatMul", ["m1", "m2"], ["late"]));
  },
  "shapes do not broadcast": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2], [1, 2]);
    graph.node.push(node("Mul", ["m1", "m2"], ["late"]));
  },
  "joined along other sizes": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2, 2], [1, 2, 3, 4]);
    const concat = node("Concat", ["m1", "m2"], ["late"]);
    concat.attribute.push(intAttribute("axis", 0));
    graph.node.push(concat);
  },
  "axis out of range": ({ graph }) => {
    const softmax = node("Softmax", [lastOutput(graph)], ["late"]);
    softmax.attribute.push(intAttribute("axis", 7));
    graph.node.push(softmax);
  },
  "weight for other channels": ({ graph }) => {
    initializer(
      graph,
      "image",
      [1, 2, 3, 3],
      Array.from({ length: 18 }, () => 1),
    );
    initializer(graph, "kernel", [1, 3, 1, 1], [1, 1, 1]);
    graph.node.push(node("Conv", ["image", "kernel"], ["late"]));
  },
  "reshaped to another size": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    graph.initializer.push(
      create(TensorProtoSchema, { name: "target", dims: [2n], dataType: 7, int64Data: [4n, 2n] }),
    );
    graph.node.push(node("Reshape", ["m1", "target"], ["late"]));
  },
  "input of no kind of type": ({ graph }) => {
    graph.input[0]!.type = create(TypeProtoSchema, {});
  },
  "input without an element type": ({ graph }) => {
    graph.input[0]!.type = create(TypeProtoSchema, {
      value: { case: "tensorType", value: { shape: {} } },
    });
  },
  "sequence without an element type": ({ graph }) => {
    graph.input.push(
      create(ValueInfoProtoSchema, {
        name: "list",
        type: { value: { case: "sequenceType", value: {} } },
      }),
    );
  },
  "map without a type of values": ({ graph }) => {
    graph.input.push(
      create(ValueInfoProtoSchema, {
        name: "table",
        type: { value: { case: "mapType", value: { keyType: 7 } } },
      }),
    );
  },
  "permutation of another rank": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    late(graph, "Transpose", ["m1"], intsAttribute("perm", [2, 1, 0]));
  },
  "permutation with an axis twice": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    late(graph, "Transpose", ["m1"], intsAttribute("perm", [1, 1]));
  },
  "matrix of three dimensions": ({ graph }) => {
    initializer(graph, "m1", [2, 3, 4]);
    initializer(graph, "m2", [4, 2]);
    late(graph, "Gemm", ["m1", "m2"]);
  },
  "expanded to what does not fit": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    ints(graph, "target", [2, 4]);
    late(graph, "Expand", ["m1", "target"]);
  },
  "parts that are not the whole": ({ graph }) => {
    initializer(graph, "m1", [4, 3]);
    ints(graph, "parts", [1, 2]);
    late(graph, "Split", ["m1", "parts"]).output.push("late2");
  },
  "pads of another rank": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    ints(graph, "by", [1, 1]);
    late(graph, "Pad", ["m1", "by"]);
  },
  "squeezed along a size that is not 1": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    ints(graph, "along", [0]);
    late(graph, "Squeeze", ["m1", "along"]);
  },
  "new axis twice": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    ints(graph, "along", [0, 0]);
    late(graph, "Unsqueeze", ["m1", "along"]);
  },
  "gathered along an axis there is not": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    ints(graph, "at", [0]);
    late(graph, "Gather", ["m1", "at"], intAttribute("axis", 2));
  },
  "condition that is no truth value": ({ graph }) => {
    initializer(graph, "m1", [2]);
    late(graph, "Where", ["m1", "m1", "m1"]);
  },
  "cast to no type": ({ graph }) => {
    initializer(graph, "m1", [2]);
    late(graph, "Cast", ["m1"], intAttribute("to", 99));
  },
  "blocks that do not fit": ({ graph }) => {
    initializer(graph, "image", [1, 3, 2, 2]);
    late(graph, "DepthToSpace", ["image"], intAttribute("blocksize", 2));
  },
  "equation of another rank": ({ graph }) => {
    initializer(graph, "m1", [2, 3]);
    late(
      graph,
      "Einsum",
      ["m1"],
      create(AttributeProtoSchema, {
        name: "equation",
        type: 3,
        s: new TextEncoder().encode("abc->a"),
      }),
    );
  },
  "branches with different numbers of outputs": ({ graph }) => {
    const inner = body(graph);
    inner.output.push(inner.output[0]!);
  },
};
