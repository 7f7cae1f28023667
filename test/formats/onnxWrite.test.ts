import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { applySteps } from "../../src/core/draft.ts";
import { mainGraph, type Tensor } from "../../src/core/model.ts";
import { ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { markerBytes } from "../../src/formats/onnxTensorFields.ts";
import { dtype } from "../../src/shared/dtype.ts";
import {
  bytesOf,
  change,
  decode,
  encode,
  FILE,
  large,
  onnxBytes,
  readOnnx,
  same,
  weight,
  withGraph,
  type GraphInit,
} from "./make.ts";

const unknown = () => [{ no: 1999, wireType: 2, data: Uint8Array.of(2, 0xca, 0xfe) }];

const newTensor = (name: string, bytes: Uint8Array): Tensor => ({
  name,
  dtype: dtype("uint8"),
  shape: [bytes.length],
  at: bytes,
  sizeBytes: bytes.length,
});

describe("writing ONNX", () => {
  it("keeps unknown fields everywhere, in what is changed too", () => {
    const message = create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 17n }],
      metadataProps: [{ key: "k", value: "v" }],
      graph: {
        name: "g",
        node: [
          {
            opType: "Relu",
            input: ["x"],
            output: ["y"],
            attribute: [
              { name: "a", type: 2, i: 1n },
              { name: "b", type: 2, i: 2n },
            ],
          },
        ],
        initializer: [weight("w", 1)],
        input: [{ name: "x" }],
        output: [{ name: "y" }],
        valueInfo: [{ name: "v" }],
      },
    });
    const { graph } = message;
    assert.ok(graph);
    for (const part of [
      message,
      graph,
      graph.node[0]!,
      graph.node[0]!.attribute[0]!,
      graph.initializer[0]!,
      graph.input[0]!,
      graph.valueInfo[0]!,
      message.metadataProps[0]!,
    ])
      part.$unknown = unknown();
    const bytes = toBinary(ModelProtoSchema, message);
    const files = { [FILE]: bytes };
    same(encode(readOnnx(bytes), files).model, bytes);

    const changed = applySteps(readOnnx(bytes), [
      { kind: "setAttr", graph: [], node: "y", attr: "b", value: { kind: "int", value: 5 } },
      { kind: "setMeta", graph: [], key: "new", value: "1" },
      { kind: "rename", graph: [], from: "w", to: "w2" },
      { kind: "rename", graph: [], from: "x", to: "x2" },
    ]);
    const back = decode(encode(changed, files).model);
    const g = back.graph!;
    for (const part of [
      back,
      g,
      g.node[0]!,
      g.node[0]!.attribute[0]!,
      g.initializer[0]!,
      g.input[0]!,
      g.valueInfo[0]!,
      back.metadataProps[0]!,
    ])
      assert.deepEqual(part.$unknown, unknown());
    assert.equal(g.node[0]!.attribute[1]!.i, 5n);
    assert.deepEqual(g.node[0]!.input, ["x2"]);
    assert.equal(g.initializer[0]!.name, "w2");
    assert.deepEqual(Buffer.from(g.initializer[0]!.rawData), Buffer.from(large(1)));
    assert.deepEqual(
      back.metadataProps.map((entry) => entry.key),
      ["k", "new"],
    );
  });

  it("keeps numbers that do not fit a JavaScript number", () => {
    const bytes = withGraph({
      node: [
        {
          opType: "Slice",
          output: ["y"],
          attribute: [
            { name: "end", type: 2, i: 9223372036854775807n },
            { name: "odd", type: 7, ints: [9007199254740993n] },
          ],
        },
      ],
    });
    same(encode(readOnnx(bytes), {}).model, bytes);
    // Next to a changed attribute as well, and clamped where a technique copies it.
    const changed = applySteps(readOnnx(bytes), [
      {
        kind: "setAttr",
        graph: [],
        node: "y",
        attr: "copy",
        value: { kind: "int", value: 2 ** 63 },
      },
    ]);
    const [node] = decode(encode(changed, {}).model).graph!.node;
    assert.deepEqual(
      node!.attribute.map((a) => a.i || a.ints[0]),
      [9223372036854775807n, 9007199254740993n, 9223372036854775807n],
    );
  });

  it("writes back what a Model does not show", () => {
    const body: GraphInit = {
      node: [
        { opType: "Op", output: ["q"], attribute: [{ name: "t", type: 4, t: weight("f", 7) }] },
      ],
    };
    const bytes = withGraph(
      {
        sparseInitializer: [
          {
            values: weight("s", 2),
            indices: { dataType: 7, dims: [1n], int64Data: [3n] },
            dims: [9n],
          },
        ],
        initializer: [{ name: "future", dataType: 99, dims: [1n], rawData: large(9) }],
        quantizationAnnotation: [
          { tensorName: "s", quantParameterTensorNames: [{ key: "SCALE_TENSOR", value: "z" }] },
        ],
        node: [
          {
            opType: "Op",
            output: ["y"],
            attribute: [
              { name: "list", type: 9, tensors: [weight("", 3), weight("", 4)] },
              { name: "graphs", type: 10, graphs: [body] },
              { name: "sparse", type: 11, sparseTensor: { values: weight("v", 5), dims: [1n] } },
              { name: "tp", type: 13, tp: { value: { case: "sequenceType", value: {} } } },
            ],
          },
        ],
      },
      {
        functions: [
          {
            name: "F",
            domain: "d",
            overload: "o",
            node: body.node ?? [],
            attributeProto: [{ name: "d", type: 2, i: 0n }],
          },
        ],
        trainingInfo: [{ algorithm: body }],
        configuration: [{ name: "c", numDevices: 2 }],
      },
    );
    same(encode(readOnnx(bytes), { [FILE]: bytes }).model, bytes);
  });

  it("is not fooled by data that looks like its own markers", () => {
    const forged = [
      markerBytes({ reading: 0, index: 0 }),
      markerBytes({ reading: 1, index: 0 }),
      Buffer.concat([markerBytes({ reading: 0, index: 0 }), Uint8Array.of(1)]),
      large(9),
    ];
    const bytes = withGraph({
      initializer: forged.map((rawData, i) => ({
        name: `w${i}`,
        dataType: 2,
        dims: [BigInt(rawData.length)],
        rawData,
      })),
    });
    same(encode(readOnnx(bytes), { [FILE]: bytes }).model, bytes);
    const made = change(readOnnx(withGraph({})), () => ({
      tensors: new Map(forged.map((raw, i) => [`w${i}`, newTensor(`w${i}`, new Uint8Array(raw))])),
    }));
    const back = mainGraph(readOnnx(encode(made, {}).model)).tensors;
    forged.forEach((raw, i) => {
      const { at } = back.get(`w${i}`)!;
      assert.deepEqual(
        Buffer.from(bytesOf(at, { [FILE]: encode(made, {}).model })),
        Buffer.from(raw),
      );
    });
  });

  it("builds new nodes, values and tensors, and keeps the order of what was there", () => {
    const bytes = withGraph({
      node: [
        { opType: "MatMul", input: ["x", "w"], output: ["y"], docString: "kept" },
        { opType: "Relu", input: ["y"], output: ["z"] },
      ],
      initializer: [weight("a", 1), weight("w", 2), weight("b", 3)],
      input: [{ name: "x" }],
      output: [{ name: "z" }],
      valueInfo: [{ name: "y", docString: "inner" }],
    });
    const changed = applySteps(readOnnx(bytes), [
      {
        kind: "putTensor",
        graph: [],
        tensor: { name: "w", dtype: "int8", shape: [2], at: Uint8Array.of(1, 2), sizeBytes: 2 },
      },
      {
        kind: "putTensor",
        graph: [],
        tensor: {
          name: "w_scale",
          dtype: "float32",
          shape: [],
          at: new Uint8Array(4),
          sizeBytes: 4,
        },
      },
      {
        kind: "replaceNodes",
        graph: [],
        remove: ["z"],
        insert: [
          {
            name: "n",
            op: "Quantize",
            domain: "my",
            inputs: ["y", ""],
            outputs: ["z"],
            attrs: {
              alpha: { kind: "float", value: 0.1 },
              names: { kind: "strings", value: ["p"] },
            },
          },
        ],
        rewire: [],
      },
      {
        kind: "setValue",
        graph: [],
        name: "y",
        value: { name: "y", dtype: "float16", shape: ["n", 3, null] },
      },
      { kind: "setOpset", graph: [], domain: "my", version: 1 },
    ]);
    const back = decode(encode(changed, { [FILE]: bytes }).model);
    const g = back.graph!;
    assert.deepEqual(
      g.initializer.map((t) => [t.name, t.dataType, t.dims]),
      [
        ["a", 2, [5000n]],
        ["w", 3, [2n]],
        ["b", 2, [5000n]],
        ["w_scale", 1, []],
      ],
    );
    assert.deepEqual(
      g.node.map((n) => [n.opType, n.domain, n.docString]),
      [
        ["MatMul", "", "kept"],
        ["Quantize", "my", ""],
      ],
    );
    assert.deepEqual(
      g.node[1]!.attribute.map((a) => [a.name, a.type]),
      [
        ["alpha", 1],
        ["names", 8],
      ],
    );
    assert.deepEqual(
      back.opsetImport.map((o) => [o.domain, o.version]),
      [
        ["", 17n],
        ["my", 1n],
      ],
    );
    const [y] = g.valueInfo;
    assert.equal(y?.docString, "inner");
    assert.deepEqual(
      readOnnx(encode(changed, { [FILE]: bytes }).model)
        .graphs.get("[]")
        ?.values.get("y")?.shape,
      ["n", 3, null],
    );
  });

  it("changes inside subgraphs, and leaves the other branch as it was", () => {
    const body = (name: string): GraphInit => ({
      name,
      initializer: [weight("w", 1)],
      node: [{ opType: "Op", input: ["w"], output: [name] }],
      output: [{ name }],
    });
    const bytes = withGraph({
      node: [
        {
          opType: "If",
          input: ["c"],
          output: ["y"],
          attribute: [
            { name: "then_branch", type: 5, g: body("t"), docString: "kept" },
            { name: "else_branch", type: 5, g: body("e") },
          ],
        },
      ],
    });
    const changed = applySteps(readOnnx(bytes), [
      {
        kind: "putTensor",
        graph: ["y", "then_branch"],
        tensor: { name: "w", dtype: "uint8", shape: [3000], at: large(8, 3000), sizeBytes: 3000 },
      },
    ]);
    const before = decode(bytes).graph!.node[0]!.attribute;
    const after = decode(encode(changed, { [FILE]: bytes }).model).graph!.node[0]!.attribute;
    assert.deepEqual(after[1], before[1]);
    assert.equal(after[0]!.docString, "kept");
    assert.deepEqual(
      Buffer.from(after[0]!.g!.initializer[0]!.rawData),
      Buffer.from(large(8, 3000)),
    );
  });

  describe("IR version", () => {
    const old: GraphInit = {
      node: [{ opType: "Add", input: ["x", "w"], output: ["y"] }],
      initializer: [weight("w", 1)],
      input: [{ name: "x" }, { name: "w" }],
      output: [{ name: "y" }],
    };
    const put = (name: string, type: "uint8" | "int4" = "uint8") =>
      ({
        kind: "putTensor",
        graph: [],
        tensor: {
          name,
          dtype: type,
          shape: [2],
          at: new Uint8Array(type === "int4" ? 1 : 2),
          sizeBytes: type === "int4" ? 1 : 2,
        },
      }) as const;
    const cases = [
      ["unchanged", 3n, 7n, [], 3n, ["x", "w"]],
      ["an initializer replaced", 3n, 7n, [put("w")], 3n, ["x", "w"]],
      ["an initializer gained: they stop being inputs", 3n, 7n, [put("new")], 4n, ["x"]],
      [
        "opset raised",
        4n,
        9n,
        [{ kind: "setOpset", graph: [], domain: "", version: 21 }],
        10n,
        ["x", "w"],
      ],
      [
        "another domain imported",
        4n,
        9n,
        [{ kind: "setOpset", graph: [], domain: "com.microsoft", version: 1 }],
        4n,
        ["x", "w"],
      ],
      ["a 4-bit tensor", 8n, 17n, [put("new", "int4")], 10n, ["x", "w"]],
    ] as const;
    for (const [name, ir, opset, steps, wanted, inputs] of cases)
      it(name, () => {
        const bytes = onnxBytes({ irVersion: ir, opsetImport: [{ version: opset }], graph: old });
        const back = decode(encode(applySteps(readOnnx(bytes), steps), { [FILE]: bytes }).model);
        assert.equal(back.irVersion, wanted);
        assert.deepEqual(
          back.graph!.input.map((v) => v.name),
          inputs,
        );
      });
  });
});
