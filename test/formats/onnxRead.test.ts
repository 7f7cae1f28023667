import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { graphKey, mainGraph } from "../../src/core/model.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { readModel } from "../../src/formats/index.ts";
import {
  bare,
  bytesOf,
  NO_SIBLINGS,
  onnxBytes,
  readOnnx,
  withGraph,
  type GraphInit,
} from "./make.ts";

const F32 = 1;
const node = (opType: string, input: string[], output: string[], attribute: object[] = []) => ({
  opType,
  input,
  output,
  attribute,
});

describe("reading ONNX", () => {
  it("gives nodes, values, opsets, metadata and the producer", () => {
    const model = readOnnx(
      withGraph(
        {
          name: "g",
          node: [{ ...node("MatMul", ["x", "w"], ["y"]), name: "mm", domain: "ai.onnx" }],
          input: [
            {
              name: "x",
              type: {
                value: {
                  case: "tensorType",
                  value: {
                    elemType: F32,
                    shape: {
                      dim: [
                        { value: { case: "dimParam", value: "batch" } },
                        { value: { case: "dimValue", value: 4n } },
                        {},
                        { value: { case: "dimValue", value: -1n } },
                      ],
                    },
                  },
                },
              },
            },
          ],
          output: [{ name: "y" }],
        },
        {
          producerName: "tool",
          producerVersion: "1.2",
          opsetImport: [
            { domain: "ai.onnx", version: 17n },
            { domain: "my", version: 2n },
          ],
          metadataProps: [{ key: "a", value: "b" }],
          functions: [{ domain: "my", name: "F", node: [node("Relu", ["x"], ["y"])] }],
        },
      ),
    );
    const graph = mainGraph(model);
    assert.equal(model.producer, "tool 1.2");
    assert.deepEqual(
      [...model.opsets],
      [
        ["", 17],
        ["my", 2],
      ],
    );
    assert.deepEqual([...model.meta], [["a", "b"]]);
    const [f] = model.functions;
    assert.deepEqual([f?.domain, f?.name, f?.nodes], ["my", "F", 1]);
    assert.equal(f?.graphs.get("[]")?.nodes[0]?.op, "Relu");
    assert.deepEqual(graph.inputs, ["x"]);
    assert.deepEqual(graph.outputs, ["y"]);
    assert.deepEqual(graph.values.get("x")?.shape, ["batch", 4, null, null]);
    assert.equal(graph.values.get("x")?.dtype?.name, "float32");
    assert.equal(graph.values.get("y")?.shape, null);
    const [first] = graph.nodes;
    assert.deepEqual([first?.name, first?.op, first?.domain], ["mm", "MatMul", ""]);
  });

  it("gives each kind of attribute, with and without its type field", () => {
    const graph: GraphInit = {
      node: [
        node(
          "Op",
          [],
          ["y"],
          [
            { name: "f", type: 1, f: 0.5 },
            { name: "i", type: 2, i: -3n },
            { name: "s", type: 3, s: new TextEncoder().encode("text") },
            { name: "fs", type: 6, floats: [1, 2] },
            { name: "is", type: 7, ints: [1n, 9223372036854775807n] },
            { name: "ss", type: 8, strings: [new TextEncoder().encode("a")] },
            { name: "t", type: 4, t: { dims: [], dataType: F32, floatData: [2] } },
            { name: "bytes", type: 3, s: Uint8Array.of(0xff, 0xfe) },
            { name: "ref", type: 2, refAttrName: "outer" },
            { name: "tensors", type: 9, tensors: [] },
            { name: "new", type: 99 },
            { name: "untyped", i: 7n },
            { name: "__proto__", type: 2, i: 1n },
          ],
        ),
      ],
    };
    const [read] = mainGraph(readOnnx(withGraph(graph))).nodes;
    const attrs = Object.fromEntries(
      Object.entries(read!.attrs).map(([name, attr]) => [
        name,
        attr.kind === "tensor" ? { kind: "tensor", value: bare(attr.value) } : attr,
      ]),
    );
    assert.deepEqual(attrs["t"], {
      kind: "tensor",
      value: {
        name: "",
        dtype: mainGraph(
          readOnnx(withGraph({ initializer: [{ name: "w", dataType: 1, dims: [0n] }] })),
        ).tensors.get("w")?.dtype,
        shape: [],
        at: new Uint8Array(Float32Array.of(2).buffer),
        sizeBytes: 4,
      },
    });
    delete attrs["t"];
    assert.deepEqual(
      attrs,
      Object.fromEntries(
        Object.entries({
          f: { kind: "float", value: 0.5 },
          i: { kind: "int", value: -3 },
          s: { kind: "string", value: "text" },
          fs: { kind: "floats", value: [1, 2] },
          is: { kind: "ints", value: [1, 9223372036854775807] },
          ss: { kind: "strings", value: ["a"] },
          bytes: { kind: "opaque", type: "bytes" },
          ref: { kind: "opaque", type: "reference", refersTo: "outer" },
          tensors: { kind: "opaque", type: "tensors" },
          new: { kind: "opaque", type: "type 99" },
          untyped: { kind: "int", value: 7 },
        }).concat([["__proto__", { kind: "int", value: 1 }]]),
      ),
    );
  });

  it("reaches subgraphs by node key and attribute, also where keys repeat", () => {
    const body = (name: string): object => ({ name, node: [node("Relu", ["x"], [`${name}_y`])] });
    const branch = (output: string, name: string): object =>
      node("If", ["c"], [output], [{ name: "then_branch", type: 5, g: body(name) }]);
    const model = readOnnx(
      withGraph({ node: [branch("y", "a"), branch("y", "b"), branch("", "c")] }),
    );
    assert.deepEqual(
      [...model.graphs.values()].map((graph) => [graph.path, graph.name]),
      [
        [[], ""],
        [["y", "then_branch"], "a"],
        [["y#2", "then_branch"], "b"],
        [["", "then_branch"], "c"],
      ],
    );
    const attr = mainGraph(model).nodes[1]?.attrs["then_branch"];
    assert.equal(attr?.kind, "graph");
    if (attr?.kind === "graph") assert.equal(model.graphs.get(graphKey(attr.path))?.name, "b");
  });

  it("20,000 subgraphs whose nodes all have one name are opened in a moment", () => {
    const node = {
      opType: "If",
      output: ["y"],
      attribute: [{ name: "then_branch", type: 5, g: {} }],
    };
    const bytes = withGraph({ node: Array.from({ length: 20_000 }, () => node) });
    const before = process.cpuUsage();
    assert.equal(readOnnx(bytes).graphs.size, 20_001);
    const { user } = process.cpuUsage(before);
    assert.ok(user < 2_000_000, `${user / 1000} ms`);
  });

  it("leaves large payloads in the file, wherever tensors occur, and reads little", () => {
    const raw = new Uint8Array(200_000).map((_, i) => i % 251);
    const tensor = { name: "w", dataType: 2, dims: [200_000n], rawData: raw };
    const inner: GraphInit = { initializer: [tensor] };
    const bytes = withGraph({
      initializer: [tensor],
      sparseInitializer: [{ values: tensor, dims: [1n] }],
      node: [
        node("Constant", [], ["c"], [{ name: "value", type: 4, t: tensor }]),
        node("If", ["c"], ["y"], [{ name: "then_branch", type: 5, g: inner }]),
        node(
          "Op",
          ["c"],
          ["z"],
          [
            { name: "list", type: 9, tensors: [tensor] },
            { name: "graphs", type: 10, graphs: [inner] },
          ],
        ),
      ],
    });
    const source = memorySource("/m.onnx", bytes);
    let bytesRead = 0;
    const model = readModel(
      { ...source, read: (at, n) => ((bytesRead += n), source.read(at, n)) },
      NO_SIBLINGS,
    );
    assert.ok(bytesRead < 100_000, `${bytesRead} of ${bytes.length} bytes were read`);
    const constant = mainGraph(model).nodes[0]?.attrs["value"];
    const found = [
      mainGraph(model).tensors.get("w"),
      constant?.kind === "tensor" ? constant.value : undefined,
      model.graphs.get(graphKey(["y", "then_branch"]))?.tensors.get("w"),
    ];
    for (const one of found) {
      assert.ok(one && !(one.at instanceof Uint8Array));
      assert.deepEqual(Buffer.from(bytesOf(one.at, { "/m.onnx": bytes })), Buffer.from(raw));
    }
  });

  it("merges a graph that comes in two parts, as protobuf demands", () => {
    const part = (name: string): Uint8Array =>
      onnxBytes({
        graph: {
          initializer: [
            { name, dataType: 2, dims: [2000n], rawData: new Uint8Array(2000).fill(name.length) },
          ],
        },
      });
    const bytes = Buffer.concat([part("a"), part("bb")]);
    const { tensors } = mainGraph(readOnnx(bytes));
    assert.deepEqual([...tensors.keys()], ["a", "bb"]);
    assert.equal(bytesOf(tensors.get("bb")!.at, { "/m.onnx": bytes })[0], 2);
  });

  it("warns of what it keeps but does not show", () => {
    const model = readOnnx(
      withGraph(
        {
          initializer: [
            { name: "w", dataType: 2, dims: [1n], rawData: Uint8Array.of(1) },
            { name: "w", dataType: 2, dims: [1n], rawData: Uint8Array.of(2) },
            { name: "future", dataType: 99, dims: [1n], rawData: Uint8Array.of(3) },
          ],
          sparseInitializer: [{ values: { name: "s", dataType: 2 } }],
        },
        { trainingInfo: [{ initialization: {} }] },
      ),
    );
    assert.deepEqual(model.warnings, [
      "Training information is kept as it is.",
      'Tensor "w" is there twice; the last one counts.',
      'Tensor "future" has the unknown element type 99; it is kept as it is.',
      'The sparse tensor "s" is kept as it is.',
    ]);
    assert.deepEqual(mainGraph(model).tensors.get("w")?.at, Uint8Array.of(2));
  });
});
