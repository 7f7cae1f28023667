/** Defects of operators and their attributes. */
import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
} from "../../../src/formats/onnx_pb.ts";
import {
  body,
  initializer,
  intAttribute,
  lastOutput,
  late,
  named,
  node,
  oneOf,
  type Defects,
} from "./site.ts";

export const OPERATORS: Defects = {
  // operators
  "operator unknown": ({ node }) => {
    node().opType = "Relux";
  },
  "operator too new": ({ graph }) => {
    graph.node.push(node("Swish", [lastOutput(graph)], ["late"]));
  },
  "operator removed": ({ graph }) => {
    initializer(graph, "scales", [2], [2, 2]);
    graph.node.push(node("Upsample", [lastOutput(graph), "scales"], ["late"]));
  },
  "operator without a name": ({ node }) => {
    node().opType = "";
  },
  "domain not imported": ({ node }) => {
    node().domain = "com.example";
  },
  "too few inputs": ({ graph }) => {
    oneOf(graph, "MatMul", "Gemm", "Concat").input.length = 0;
  },
  "too many inputs": ({ graph }) => {
    const n = oneOf(graph, "Relu", "Sqrt");
    n.input.push(n.input[0]!);
  },
  "input left empty": ({ graph }) => {
    oneOf(graph, "MatMul", "Conv", "Concat").input[0] = "";
  },
  "too many outputs": ({ graph }) => {
    oneOf(graph, "Relu", "Sqrt").output.push("more");
  },
  "node without inputs and outputs": ({ graph }) => {
    graph.node.push(node("Relu", [], []));
  },
  // attributes
  "attribute unknown": ({ node }) => {
    node().attribute.push(intAttribute("colour", 3));
  },
  "attribute of another version": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "ReduceSum").attribute.push(
      intAttribute("consumed_inputs", 1),
    );
  },
  "attribute of a wrong type": ({ graph }) => {
    const n = oneOf(graph, "Softmax", "Conv", "Concat");
    n.attribute = [
      create(AttributeProtoSchema, {
        name: n.opType === "Conv" ? "group" : "axis",
        type: 1,
        f: 1,
      }),
    ];
  },
  "attribute missing": ({ graph }) => {
    const n = named(graph, "MaxPool") ?? named(graph, "Concat");
    if (n) n.attribute = [];
    else graph.node.push(node("Concat", [lastOutput(graph)], ["late"]));
  },
  "attribute without a type": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute.forEach((a) => (a.type = 0));
  },
  "attribute with two values": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute[0]!.f = 2;
  },
  "attribute refers to a function's": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute[0]!.refAttrName = "axis";
  },
  "operator unknown in the domain of machine learning": ({ model, graph }) => {
    model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: "ai.onnx.ml", version: 3n }));
    late(graph, "TreeEnsembel", [lastOutput(graph)]).domain = "ai.onnx.ml";
  },
  "variadic operator without inputs": ({ graph }) => {
    late(graph, "Sum", []);
  },
  "required output missing": ({ graph }) => {
    late(graph, "Relu", [lastOutput(graph)]).output = [];
  },
  "attribute twice": ({ graph }) => {
    const { attribute } = oneOf(graph, "Softmax", "MaxPool", "Concat");
    attribute.push(attribute[0]!);
  },
  "attribute without a name": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute[0]!.name = "";
  },
  "attribute without its value": ({ graph }) => {
    late(
      graph,
      "Softmax",
      [lastOutput(graph)],
      create(AttributeProtoSchema, { name: "axis", type: 2 }),
    );
  },
  "constant without a value": ({ graph }) => {
    late(graph, "Constant", []);
  },
  "constant with two values": ({ graph }) => {
    late(
      graph,
      "Constant",
      [],
      intAttribute("value_int", 1),
      create(AttributeProtoSchema, { name: "value_float", type: 1, f: 1 }),
    );
  },
  "constant with a damaged tensor": ({ graph }) => {
    const t = create(TensorProtoSchema, {
      dims: [1n],
      dataType: 1,
      floatData: [1],
      int64Data: [1n],
    });
    late(graph, "Constant", [], create(AttributeProtoSchema, { name: "value", type: 4, t }));
  },
  "branch missing": ({ graph }) => {
    body(graph);
    oneOf(graph, "If").attribute.pop();
  },
};
