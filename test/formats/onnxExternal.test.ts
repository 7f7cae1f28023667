import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph, type Model } from "../../src/core/model.ts";
import { encodeModel, encodedSize } from "../../src/formats/index.ts";
import type { ModelProto, TensorProto } from "../../src/formats/onnx_pb.ts";
import { isSet } from "../../src/formats/onnxOrigin.ts";
import { dtype } from "../../src/shared/dtype.ts";
import {
  bytesOf,
  change,
  decode,
  encode,
  FILE,
  large,
  OPTIONS,
  readOnnx,
  same,
  weight,
  withGraph,
  type EncodedBytes,
  type GraphInit,
} from "./make.ts";

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

  it("is found in every form: several files, several tensors in one, with and without offset and length", () => {
    const one = large(1, 6000).map((_, i) => i % 256);
    const two = large(2, 3000).map((_, i) => (7 * i) % 256);
    const tensor = (name: string, count: number, about: Readonly<Record<string, string>>) => ({
      name,
      dataType: 2,
      dims: [BigInt(count)],
      dataLocation: 1,
      externalData: Object.entries(about).map(([key, value]) => ({ key, value })),
    });
    const checksum = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    const scattered = withGraph({
      initializer: [
        tensor("whole", 3000, { location: "sub/two" }),
        tensor("start", 10, { location: "one", length: "10" }),
        tensor("rest", 2000, { offset: "4000", location: "one" }),
        tensor("both", 500, { location: "./one", offset: "100", length: "500", checksum }),
        tensor("inside", 50, { location: "one", offset: "120", length: "50", other: "kept" }),
        tensor("empty", 0, { location: "one", offset: "6000", length: "0" }),
      ],
      node: [
        {
          opType: "Constant",
          output: ["k"],
          attribute: [{ name: "value", type: 4, t: tensor("", 30, { location: "sub/two" }) }],
        },
      ],
    });
    const files = { [FILE]: scattered, "/one": one, "/two": two };
    const model = readOnnx(scattered, {
      resolve: (location) =>
        location === "sub/two"
          ? { path: "/two", sizeBytes: two.length }
          : { path: "/one", sizeBytes: one.length },
    });
    const expected: Readonly<Record<string, Uint8Array>> = {
      whole: two,
      start: one.subarray(0, 10),
      rest: one.subarray(4000),
      both: one.subarray(100, 600),
      inside: one.subarray(120, 170),
      empty: new Uint8Array(),
    };
    const check = (read: Model, where: Readonly<Record<string, Uint8Array>>): void => {
      for (const [name, bytes] of Object.entries(expected))
        same(bytesOf(mainGraph(read).tensors.get(name)!.at, where), bytes);
      const constant = mainGraph(read).nodes[0]!.attrs["value"]!;
      assert.ok(constant.kind === "tensor");
      same(bytesOf(constant.value.at, where), two.subarray(0, 30));
    };
    check(model, files);
    assert.deepEqual(
      model.files.map(({ path, role }) => [path, role]),
      [
        [FILE, "model"],
        ["/two", "external"],
        ["/one", "external"],
      ],
    );
    const embedded = encode(model, files, { externalData: "never" }).model;
    check(readOnnx(embedded), { [FILE]: embedded });
  });

  it("of tensors that a Model does not show stays external, and goes where the rest goes", () => {
    const at = (offset: number, dataType = 2, location = "d") => ({
      name: `h${offset}`,
      dataType,
      dims: [1000n],
      dataLocation: 1,
      externalData: [
        { key: "location", value: location },
        { key: "offset", value: String(offset) },
      ],
    });
    const constant = (offset: number) => ({
      opType: "Constant",
      output: ["c"],
      attribute: [{ name: "value", type: 4, t: at(offset) }],
    });
    const hidden = withGraph(
      {
        initializer: [at(0), at(5000, 99)],
        node: [
          {
            opType: "Custom",
            output: ["l"],
            attribute: [{ name: "list", type: 9, tensors: [at(1000)] }],
          },
        ],
      },
      {
        functions: [{ name: "F", node: [constant(2000)] }],
        trainingInfo: [
          { initialization: { initializer: [at(3000)] }, algorithm: { node: [constant(4000)] } },
        ],
      },
    );
    const data = large(6, 6000).map((_, i) => Math.floor(i / 1000));
    const files = { [FILE]: hidden, "/d": data };
    const model = readOnnx(hidden, { resolve: () => ({ path: "/d", sizeBytes: data.length }) });
    const tensors = (message: ModelProto): TensorProto[] => [
      ...message.graph!.initializer,
      message.graph!.node[0]!.attribute[0]!.tensors[0]!,
      message.functions[0]!.node[0]!.attribute[0]!.t!,
      message.trainingInfo[0]!.initialization!.initializer[0]!,
      message.trainingInfo[0]!.algorithm!.node[0]!.attribute[0]!.t!,
    ];
    const numbers = [0, 5, 1, 2, 3, 4];
    const check = (out: EncodedBytes): void => {
      const found = tensors(decode(out.model)).map((t) => {
        assert.deepEqual([t.dataLocation, isSet(t, "rawData")], [1, false]);
        const entries = new Map(t.externalData.map(({ key, value }) => [key, value]));
        assert.equal(entries.get("location"), OPTIONS.dataName);
        return out.external![Number(entries.get("offset"))];
      });
      assert.deepEqual(found, numbers);
    };
    const kept = encode(model, files);
    check(kept);
    same(kept.external!, data);
    check(encode(model, files, { externalData: "always" }));
    // A changed tensor writes the file anew.
    const changed = change(model, ({ tensors: before }) => {
      const first = before.get("h0")!;
      return { tensors: new Map([["h0", { ...first, at: large(0, 1000) }]]) };
    });
    check(encode(changed, files));
    const embedded = decode(encode(model, files, { externalData: "never" }).model);
    for (const [i, t] of tensors(embedded).entries()) {
      assert.deepEqual([t.externalData.length, isSet(t, "dataLocation")], [0, false]);
      same(t.rawData, data.subarray(numbers[i]! * 1000, numbers[i]! * 1000 + 1000));
    }
    // The messages are as they were read.
    check(encode(model, files));
  });
});
