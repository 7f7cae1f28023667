/** Defects of names, order, versions and bodies. */
import { create } from "@bufbuild/protobuf";
import {
  StringStringEntryProtoSchema,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx_pb.ts";
import { body, initializer, late, node, sparse, tensorType, type Defects } from "./site.ts";

export const NAMES: Defects = {
  // names and order
  "missing input": ({ node }) => {
    node().input[0] = "nowhere";
  },
  cycle: ({ graph }) => {
    const first = graph.node[0]!;
    first.input[0] = graph.node.at(-2)!.output[0]!;
  },
  "node uses its own output": ({ node }) => {
    const n = node();
    n.input[0] = n.output[0]!;
  },
  "not sorted": ({ graph, pick }) => {
    const i = pick(graph.node.slice(0, -1).map((_, at) => at));
    graph.node.splice(i, 2, graph.node[i + 1]!, graph.node[i]!);
  },
  "output named twice": ({ graph, pick }) => {
    const n = pick(graph.node.slice(1));
    graph.node.push(node("Relu", [n.input[0]!], [n.output[0]!]));
  },
  "output named as an input": ({ graph }) => {
    graph.node.push(node("Relu", [graph.node[0]!.output[0]!], [graph.input[0]!.name]));
  },
  "output named as an initializer": ({ graph, pick }) => {
    graph.node.push(node("Relu", [graph.node[0]!.output[0]!], [pick(graph.initializer).name]));
  },
  "input listed twice": ({ graph }) => {
    graph.input.push(graph.input[0]!);
  },
  "initializer twice": ({ graph, pick }) => {
    graph.initializer.push(pick(graph.initializer));
  },
  "initializer without a name": ({ graph }) => {
    initializer(graph, "", [1], [1]);
  },
  "graph without a name": ({ graph }) => {
    graph.name = "";
  },
  "graph output that nothing makes": ({ graph }) => {
    graph.output.push(create(ValueInfoProtoSchema, { name: "ghost", type: tensorType(1, [1]) }));
  },
  // model
  "no operator set": ({ model }) => {
    model.opsetImport = [];
  },
  "operator set from the future": ({ model }) => {
    model.opsetImport[0]!.version = 99n;
  },
  "IR version missing": ({ model }) => {
    model.irVersion = 0n;
  },
  "IR version from the future": ({ model }) => {
    model.irVersion = 99n;
  },
  "IR version 3 without initializers as inputs": ({ model }) => {
    model.irVersion = 3n;
  },
  "metadata key twice": ({ model }) => {
    for (const value of ["a", "b"])
      model.metadataProps.push(create(StringStringEntryProtoSchema, { key: "k", value }));
  },

  "IR version 2 with operator sets": ({ model }) => {
    model.irVersion = 2n;
  },
  "operator set 0": ({ model }) => {
    model.opsetImport[0]!.version = 0n;
  },
  "graph input without a name": ({ graph }) => {
    graph.input.push(create(ValueInfoProtoSchema, { name: "", type: tensorType(1, [1]) }));
  },
  "sparse and dense initializer of one name": ({ graph, pick }) => {
    const { name } = pick(graph.initializer);
    sparse(graph, { name });
  },
  // bodies
  "missing input in a body": ({ graph }) => {
    body(graph).node[0]!.input[0] = "nowhere";
  },
  "body output named as an outer value": ({ graph }) => {
    const inner = body(graph);
    inner.node[0]!.output[0] = graph.node[0]!.output[0]!;
    inner.output[0]!.name = graph.node[0]!.output[0]!;
  },
  "body without a name": ({ graph }) => {
    body(graph).name = "";
  },
  "body not sorted": ({ graph }) => {
    const { node: nodes } = body(graph);
    nodes.unshift(node("Relu", [nodes[0]!.output[0]!], ["early"]));
  },
  "body output that nothing makes": ({ graph }) => {
    body(graph).output[0]!.name = "ghost";
  },
  "inner value used outside": ({ graph }) => {
    late(graph, "Relu", [body(graph).node[0]!.output[0]!]).output[0] = "later";
  },
  "operator unknown in a body": ({ graph }) => {
    body(graph).node[0]!.opType = "Relux";
  },
};
