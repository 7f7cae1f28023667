/**
 * Models nobody would write: any field of any message of onnx.proto set to anything, unknown fields
 * among them. Read and written anew nothing is lost: the very same bytes.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  ScalarType,
  toBinary,
  type DescField,
  type DescMessage,
  type Message,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import { ModelProtoSchema, TensorProtoSchema } from "../../src/formats/onnx_pb.ts";
import { byteLength, DTYPES } from "../../src/shared/dtype.ts";
import { random, type Random } from "../../src/shared/random.ts";
import { encode, FILE, readOnnx, same } from "./make.ts";

const RUNS = 300;
const MAX_DEPTH = 7;
const ONNX_TYPES = DTYPES.filter((type) => type.onnx !== null);

/** Numbers the names, so that no two are the same: of two tensors of one name only the last counts. */
interface Making {
  readonly rng: Random;
  names: number;
}

const text = ({ rng }: Making): string =>
  ["", "x", "Relu", "ü", "\u{1f600}", "a".repeat(200), "ai.onnx"][rng.int(7)] ?? "";
const int64 = ({ rng }: Making): bigint =>
  [0n, 1n, -1n, 7n, 2n ** 63n - 1n, -(2n ** 63n), 300n][rng.int(7)] ?? 0n;

function scalar(making: Making, type: ScalarType): unknown {
  const { rng } = making;
  switch (type) {
    case ScalarType.STRING:
      return text(making);
    case ScalarType.BYTES:
      return new Uint8Array(rng.int(20)).map(() => rng.int(256));
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return [0, -0, 1.5, Infinity, NaN][rng.int(5)];
    case ScalarType.INT64:
      return int64(making);
    case ScalarType.UINT64:
      return BigInt.asUintN(64, int64(making));
    default:
      return [0, 1, -1, 14, 2147483647][rng.int(5)];
  }
}

function value(making: Making, field: DescField, depth: number): unknown {
  if (field.message) return message(making, field.message, depth + 1);
  return field.scalar === undefined ? 0 : scalar(making, field.scalar);
}

/** The data fits type and shape, or the file would be refused; all else is as it comes. */
function tensor(making: Making): Message {
  const { rng } = making;
  const type = ONNX_TYPES[rng.int(ONNX_TYPES.length)]!;
  const shape = Array.from({ length: rng.int(3) }, () => [0, 1, 40, 700][rng.int(4)] ?? 1);
  const count = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(byteLength(type, count) ?? 0).map(() => rng.int(256));
  return create(TensorProtoSchema, {
    name: `t${making.names++}`,
    dims: shape.map(BigInt),
    dataType: type.onnx ?? 0,
    docString: text(making),
    metadataProps: [{ key: text(making) }],
    ...(type.kind === "string"
      ? { stringData: Array.from({ length: count }, () => Uint8Array.of(rng.int(256))) }
      : type.name === "float32" && bytes.length < 1000
        ? { floatData: Array.from({ length: count }, () => rng.int(9)) }
        : { rawData: bytes }),
  });
}

const NAMED = new Set(["onnx.ValueInfoProto", "onnx.AttributeProto"]);
function message(making: Making, desc: DescMessage, depth: number): Message {
  const { rng } = making;
  if (desc.typeName === "onnx.TensorProto") return tensor(making);
  const init: Record<string, unknown> = {};
  for (const field of desc.fields) {
    if (field.message && depth >= MAX_DEPTH) continue;
    // One field in three, so that many combinations come up and the tree ends.
    if (rng.next() < 0.65 && field.name !== "graph") continue;
    const one = (): unknown => value(making, field, depth);
    if (field.oneof) init[field.oneof.localName] = { case: field.localName, value: one() };
    else if (field.fieldKind === "list")
      init[field.localName] = Array.from({ length: rng.int(4) }, one);
    else init[field.localName] = one();
  }
  if (NAMED.has(desc.typeName)) init["name"] = `v${making.names++}`;
  if (rng.next() < 0.1)
    init["$unknown"] = [{ no: 1000 + rng.int(9), wireType: 2, data: Uint8Array.of(2, 7, 7) }];
  return Object.assign(create(desc), init);
}

describe("any model", () => {
  it("is read and written anew without a loss", () => {
    let [bytesRead, small] = [0, 0];
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const making = { rng: random(seed), names: 0 };
        const bytes = toBinary(ModelProtoSchema, message(making, ModelProtoSchema, 0) as never);
        const model = readOnnx(bytes);
        bytesRead += bytes.length;
        same(encode(model, { [FILE]: bytes }).model, bytes);
        // Out to external data and back.
        const out = encode(model, { [FILE]: bytes }, { externalData: "always" });
        const data = out.external;
        if (data === null) {
          small++;
          return;
        }
        const siblings = { resolve: () => ({ path: "/data", sizeBytes: data.length }) };
        const back = readOnnx(out.model, siblings);
        const files = { [FILE]: out.model, "/data": data };
        same(encode(back, files, { externalData: "never" }).model, bytes);
      }),
      { numRuns: RUNS },
    );
    // The models are not trivial.
    assert.ok(bytesRead > RUNS * 1000 && small < RUNS, `${bytesRead} bytes, ${small} small`);
  });
});
