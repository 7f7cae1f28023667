/** Defects of tensors: their data, where it is, and sparse ones. */
import { create } from "@bufbuild/protobuf";
import { SparseTensorProtoSchema, TensorProtoSchema } from "../../../src/formats/onnx_pb.ts";
import { external, SIDE_FILE, sparse, withoutRaw, type Defects } from "./site.ts";

export const TENSORS: Defects = {
  // tensors
  "data too short": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    t.rawData = t.rawData.subarray(0, t.rawData.length - 4);
  },
  "shape larger than the data": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    t.dims[0] = (t.dims[0] ?? 1n) + 1n;
  },
  "tensor without a type": ({ graph, pick }) => {
    pick(graph.initializer).dataType = 0;
  },
  "tensor with values in two fields": ({ graph, pick }) => {
    pick(graph.initializer).floatData = [1];
  },
  "negative dimension": ({ graph, pick }) => {
    pick(graph.initializer).dims[0] = -1n;
  },
  "external file missing": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    external(t, { location: "weights.bin" });
  },
  "external path outside": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: "../weights.bin" });
  },
  "external data past the end": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: SIDE_FILE, offset: "4", length: "4000" });
  },
  "external without a location": ({ graph, pick }) => {
    external(pick(graph.initializer), { offset: "0" });
  },
  "sparse tensor with an index outside": ({ graph }) => {
    graph.sparseInitializer.push(
      create(SparseTensorProtoSchema, {
        dims: [4n],
        values: { name: "sp", dims: [1n], dataType: 1, floatData: [1] },
        indices: { dims: [1n], dataType: 7, int64Data: [9n] },
      }),
    );
  },
  "tensor of an unknown type": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    t.dataType = 99;
    withoutRaw(t).floatData = [1];
  },
  "values in the field of another type": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "odd", dims: [1n], dataType: 1, int64Data: [1n] }),
    );
  },
  "strings as raw data": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, {
        name: "odd",
        dims: [1n],
        dataType: 8,
        rawData: new Uint8Array(4),
      }),
    );
  },
  "empty tensor with data": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "odd", dims: [0n], dataType: 1, floatData: [1] }),
    );
  },
  "more values than the shape": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "odd", dims: [2n], dataType: 1, floatData: [1, 2, 3] }),
    );
  },
  "half precision with too few values": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "odd", dims: [3n], dataType: 10, int32Data: [1, 2] }),
    );
  },
  "4 bit with too few bytes": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, {
        name: "odd",
        dims: [5n],
        dataType: 22,
        rawData: new Uint8Array(2),
      }),
    );
  },
  "fewer strings than the shape": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, {
        name: "odd",
        dims: [2n],
        dataType: 8,
        stringData: [new Uint8Array(1)],
      }),
    );
  },
  "shape beyond any memory": ({ graph, pick }) => {
    pick(graph.initializer).dims = [2n ** 62n, 2n ** 62n];
  },
  "external and embedded at once": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    external(t, { location: SIDE_FILE });
    t.dims = [2n];
    t.floatData = [1, 2];
  },
  "external path absolute": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: "/etc/hostname" });
  },
  "external path to a folder": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: "." });
  },
  "external offset that is no number": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: SIDE_FILE, offset: "start" });
  },
  "sparse tensor with indices out of order": ({ graph }) => {
    sparse(graph, { values: [1, 2], indices: [3, 1] });
  },
  "sparse tensor with fewer indices than values": ({ graph }) => {
    sparse(graph, { values: [1, 2], indices: [1] });
  },
  "sparse tensor without indices": ({ graph }) => {
    delete sparse(graph, {}).indices;
  },
  "sparse tensor without a shape": ({ graph }) => {
    sparse(graph, {}).dims = [];
  },
  "sparse tensor with indices of another type": ({ graph }) => {
    Object.assign(sparse(graph, {}).indices!, { dataType: 6, int64Data: [], int32Data: [1] });
  },
  "sparse tensor without a name": ({ graph }) => {
    sparse(graph, { name: "" });
  },
};
