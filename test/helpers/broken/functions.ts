/** Defects of a model's own functions, and of its training information. */
import { create } from "@bufbuild/protobuf";
import { AttributeProtoSchema, TrainingInfoProtoSchema } from "../../../src/formats/onnx_pb.ts";
import { lastOutput, node, withFunction, type Defects } from "./site.ts";

export const FUNCTIONS: Defects = {
  // functions
  "function without operator set": (site) => {
    withFunction(site).opsetImport = [];
  },
  "function with a missing input": (site) => {
    withFunction(site).node[0]!.input[0] = "nowhere";
  },
  "function with an unknown operator": (site) => {
    withFunction(site).node[0]!.opType = "Relux";
  },
  "function refers to no attribute of its": (site) => {
    const f = withFunction(site);
    f.node[0]!.opType = "LeakyRelu";
    f.node[0]!.attribute.push(
      create(AttributeProtoSchema, { name: "alpha", type: 1, refAttrName: "slope" }),
    );
  },
  "function twice": (site) => {
    site.model.functions.push(withFunction(site));
  },
  "function that calls itself": (site) => {
    Object.assign(withFunction(site).node[0]!, { opType: "F", domain: "my" });
  },
  "function without a name": (site) => {
    withFunction(site).name = "";
  },
  "function with a parameter twice": (site) => {
    withFunction(site).input.push("a");
  },
  "function with an output twice": (site) => {
    withFunction(site).output.push("b");
  },
  "function with an attribute twice": (site) => {
    withFunction(site).attribute = ["slope", "slope"];
  },
  "function in another operator set": (site) => {
    const f = withFunction(site);
    f.node[0]!.opType = "Softmax";
    f.opsetImport.find(({ domain }) => domain === "")!.version = 11n;
  },
  "function with an attribute without a type": (site) => {
    const n = withFunction(site).node[0]!;
    n.opType = "LeakyRelu";
    n.attribute.push(create(AttributeProtoSchema, { name: "alpha", f: 1 }));
  },
  "function that makes a value twice": (site) => {
    withFunction(site).node.push(node("Relu", ["a"], ["b"]));
  },
  "function output that nothing makes": (site) => {
    withFunction(site).output[0] = "ghost";
  },
  "training that sets what is not there": ({ model, graph }) => {
    model.trainingInfo.push(
      create(TrainingInfoProtoSchema, {
        updateBinding: [{ key: "nowhere", value: lastOutput(graph) }],
      }),
    );
  },
  "training with a missing input": ({ model }) => {
    model.trainingInfo.push(
      create(TrainingInfoProtoSchema, {
        algorithm: { name: "step", node: [node("Relu", ["nowhere"], ["next"])] },
      }),
    );
  },
};
