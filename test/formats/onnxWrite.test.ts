import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { applySteps } from "../../src/core/draft.ts";
import {
  graphKey,
  MAIN,
  mainGraph,
  type Graph,
  type Model,
  type Tensor,
} from "../../src/core/model.ts";
import { encodeModel, encodedSize } from "../../src/formats/index.ts";
import { ModelProtoSchema, type ModelProto } from "../../src/formats/onnx_pb.ts";
import { markerBytes } from "../../src/formats/onnxTensorFields.ts";
import { dtype } from "../../src/shared/dtype.ts";
import {
  bytesOf,
  encode,
  onnxBytes,
  OPTIONS,
  readOnnx,
  withGraph,
  type GraphInit,
  type TensorInit,
} from "./make.ts";

const FILE = "/m.onnx";
const decode = (bytes: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, bytes);
const same = (a: Uint8Array, b: Uint8Array): void => {
  assert.ok(Buffer.from(a).equals(Buffer.from(b)));
};
const large = (fill: number, length = 5000): Uint8Array => new Uint8Array(length).fill(fill);
const weight = (name: string, fill: number, length = 5000): TensorInit => ({
  name,
  dataType: 2,
  dims: [BigInt(length)],
  rawData: large(fill, length),
});
const unknown = () => [{ no: 1999, wireType: 2, data: Uint8Array.of(2, 0xca, 0xfe) }];

/** The model with its main graph changed. */
const change = (model: Model, edit: (graph: Graph) => Partial<Graph>): Model => {
  const graph = mainGraph(model);
  return {
    ...model,
    graphs: new Map([...model.graphs, [graphKey(MAIN), { ...graph, ...edit(graph) }]]),
  };
};
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

  describe("external data", () => {
    const graph: GraphInit = {
      initializer: [
        weight("a", 1),
        weight("tiny", 2, 10),
        weight("b", 3, 3 << 20),
        weight("c", 4, 20_000),
      ],
      node: [
        {
          opType: "Constant",
          output: ["k"],
          attribute: [{ name: "value", type: 4, t: weight("", 5) }],
        },
      ],
    };
    const bytes = withGraph(graph);
    const files = { [FILE]: bytes };
    const entries = (message: ModelProto): (readonly [string, number, number])[] =>
      message.graph!.initializer.flatMap((t) =>
        t.dataLocation === 1
          ? [[t.name, Number(t.externalData[1]!.value), Number(t.externalData[2]!.value)] as const]
          : [],
      );

    it("always: everything of 1 KiB and more, aligned; constants in nodes stay", () => {
      const out = encode(readOnnx(bytes), files, { externalData: "always" });
      assert.ok(out.external);
      const message = decode(out.model);
      assert.deepEqual(entries(message), [
        ["a", 0, 5000],
        ["b", 65536, 3 << 20],
        ["c", 65536 + (3 << 20), 20_000],
      ]);
      assert.equal(message.graph!.initializer[0]!.externalData[0]!.value, OPTIONS.dataName);
      const siblings = { resolve: () => ({ path: "/data", sizeBytes: out.external!.length }) };
      const back = readOnnx(out.model, siblings);
      assert.deepEqual(
        back.files.map((f) => f.role),
        ["model", "external"],
      );
      const everywhere = { [FILE]: out.model, "/data": out.external };
      for (const [name, tensor] of mainGraph(readOnnx(bytes)).tensors)
        assert.deepEqual(
          Buffer.from(bytesOf(mainGraph(back).tensors.get(name)!.at, everywhere)),
          Buffer.from(bytesOf(tensor.at, files)),
        );
      // Back into one file: what we started from.
      same(encode(back, everywhere, { externalData: "never" }).model, bytes);
      // And `auto` leaves external what is external.
      assert.equal(encode(back, everywhere).external?.length, out.external.length);
    });

    it("auto: all of it when the file would pass 2 GiB, and nothing before", () => {
      const huge = (sizeBytes: number): Model =>
        change(readOnnx(withGraph({})), () => ({
          tensors: new Map(
            ["p", "q"].map((name) => [
              name,
              {
                name,
                dtype: dtype("uint8"),
                shape: [sizeBytes],
                at: { file: "/big", offset: 0, length: sizeBytes },
                sizeBytes,
              },
            ]),
          ),
        }));
      const roles = (model: Model, externalData: "auto" | "never"): string[] =>
        encodeModel(model, { ...OPTIONS, externalData }).map((file) => file.role);
      assert.deepEqual(roles(huge(2 ** 30 - 1000), "auto"), ["model"]);
      assert.deepEqual(roles(huge(2 ** 30), "auto"), ["external", "model"]);
      // Tensors that share their bytes go on sharing them.
      assert.equal(encodeModel(huge(2 ** 30), OPTIONS)[0]!.sizeBytes, 2 ** 30);
      assert.ok(encodedSize(huge(2 ** 30)) < 2 ** 30 + 1000);
      assert.throws(() => roles(huge(2 ** 30), "never"), {
        message: /the size of the \.onnx file to be written is 21474\d{5}, more than 2147483647/,
      });
    });

    it("is embedded for tensors that a Model does not show", () => {
      const external = {
        name: "h",
        dataType: 2,
        dims: [2000n],
        dataLocation: 1,
        externalData: [
          { key: "location", value: "d" },
          { key: "offset", value: "500" },
        ],
      };
      const hidden = withGraph(
        {},
        {
          functions: [
            {
              name: "F",
              node: [
                {
                  opType: "Constant",
                  output: ["c"],
                  attribute: [{ name: "value", type: 4, t: external }],
                },
              ],
            },
          ],
        },
      );
      const data = large(6, 4000);
      const model = readOnnx(hidden, { resolve: () => ({ path: "/d", sizeBytes: data.length }) });
      const back = decode(encode(model, { [FILE]: hidden, "/d": data }).model);
      const t = back.functions[0]!.node[0]!.attribute[0]!.t!;
      assert.deepEqual([t.rawData.length, t.externalData.length, t.dataLocation], [2000, 0, 0]);
    });
  });
});
