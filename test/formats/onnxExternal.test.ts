import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mainGraph, type Model } from "../../src/core/model.ts";
import { encodeModel, encodedSize } from "../../src/formats/index.ts";
import type { ModelProto } from "../../src/formats/onnx_pb.ts";
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
