/** Real models, and the models of examples/, written anew: nothing is lost that was in them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { tensorsOf, type Model, type Tensor } from "../../src/core/model.ts";
import { formatOf, readModel } from "../../src/formats/index.ts";
import { ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { bytesOf, encode, NO_SIBLINGS } from "./make.ts";

const FOLDERS = ["../shared/models/third_party", "../shared/models/trained", "examples"];
const files = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => path.join(folder, String(name)))
    .filter((file) => formatOf(file) !== null),
);

/** Everything but the messages and the places of the data, which is compared by itself. */
function structure(model: Model): string {
  return JSON.stringify({ ...model, files: [], original: null }, (key, value: unknown) =>
    key === "original" || key === "at"
      ? undefined
      : value instanceof Map
        ? [...(value as Map<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1))
        : value,
  );
}

/** safetensors are written with larger elements first, whatever the order was. */
const inOrder = (model: Model): Tensor[] => {
  const tensors = tensorsOf(model).map(({ tensor }) => tensor);
  return model.format === "onnx" ? tensors : tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
};

describe("models written anew", () => {
  it("there are some", () => {
    assert.ok(files.length > 0, "neither ../shared/models nor examples/ has a model");
  });
  for (const file of files)
    it(path.basename(file), () => {
      const before = new Uint8Array(readFileSync(file));
      const name = `/${path.basename(file)}`;
      const read = (bytes: Uint8Array): Model => readModel(memorySource(name, bytes), NO_SIBLINGS);
      const model = read(before);
      assert.deepEqual(model.warnings, []);
      const after = encode(model, { [name]: before }).model;
      // safetensors headers may be spaced and padded otherwise.
      if (model.format === "onnx") assert.equal(after.length, before.length);
      const again = read(after);
      assert.equal(structure(again), structure(model));
      const [a, b] = [inOrder(model), inOrder(again)];
      assert.equal(a.length, b.length);
      a.forEach((tensor, i) => {
        const bytes = bytesOf(tensor.at, { [name]: before });
        const copy = bytesOf(b[i]!.at, { [name]: after });
        assert.ok(Buffer.from(bytes).equals(copy), `${tensor.name} changed`);
      });
      if (model.format !== "onnx") return;
      // The protobuf library alone, without our scan, sees the same nodes and values.
      const whole = [before, after].map((bytes) => fromBinary(ModelProtoSchema, bytes).graph!);
      assert.deepEqual(
        whole[0]!.node.map((n) => [n.name, n.opType, n.input, n.output, n.attribute.length]),
        whole[1]!.node.map((n) => [n.name, n.opType, n.input, n.output, n.attribute.length]),
      );
      assert.deepEqual(whole[0]!.input, whole[1]!.input);
      assert.deepEqual(whole[0]!.valueInfo, whole[1]!.valueInfo);
    });
});
