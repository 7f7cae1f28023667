/** Files to damage: of our own, and small ones of the shared models and the test collection where they are. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { inflateSync } from "node:zlib";
import { DTYPES, byteLength } from "../../src/shared/dtype.ts";
import { corpusCases } from "../corpus/cases.ts";
import { onnxBytes } from "../formats/make.ts";
import { safetensorsBytes } from "../formats/safetensorsBytes.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import type { Seed } from "./mutate.ts";

const shard = (name: string): Uint8Array =>
  safetensorsBytes({ [name]: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, 8);
/** Files that seeds refer to: external data and shards. They lie beside each mutant. */
export const SIBLINGS = [
  { name: "weights.data", bytes: new Uint8Array(6000).map((_, i) => i % 251) },
  { name: "shard-1.safetensors", bytes: shard("a.w") },
  { name: "shard-2.safetensors", bytes: shard("b.w") },
] as const;

const MAX_SEED_BYTES = 300_000;
const SHARED = "../shared/models";
const onnx = (name: string, bytes: Uint8Array): Seed => ({ name, format: "onnx", bytes });

export function ownSeeds(): Seed[] {
  const { cases } = JSON.parse(readFileSync("test/fixtures/onnxForms.json", "utf8")) as {
    readonly cases: readonly { readonly title: string; readonly file: string }[];
  };
  return [
    ...cases.map(({ title, file }) =>
      onnx(title, new Uint8Array(inflateSync(Buffer.from(file, "base64")))),
    ),
    ...Object.entries(TEXTS).map(([name, text]) => onnx(name, onnxFromText(text))),
    onnx("external data", externalModel()),
    onnx(
      "examples/images/shapes.onnx",
      new Uint8Array(readFileSync("examples/images/shapes.onnx")),
    ),
    ...safetensors(),
    ...indexes(),
  ];
}

export function allSeeds(): Seed[] {
  const shared = existsSync(SHARED)
    ? readdirSync(SHARED, { recursive: true })
        .map((file) => path.join(SHARED, String(file)))
        .filter((file) => file.endsWith(".onnx") && statSync(file).size <= MAX_SEED_BYTES)
        .map((file) => onnx(file, new Uint8Array(readFileSync(file))))
    : [];
  const corpus = corpusCases()
    .filter(({ model }) => model.length <= MAX_SEED_BYTES)
    .map(({ name, model }) => onnx(name, model));
  return [...ownSeeds(), ...shared, ...corpus];
}

/** What techniques and questions look at: convolutions, products, normalizations, recurrence, branches, quantization. */
const TEXTS: Readonly<Record<string, string>> = {
  convolutions: `
    opset 17
    input x float32 [N, 3, 8, 8]
    w = float32 [4, 3, 3, 3] normal
    s = float32 [4] ones
    v = float32 [4] ones
    a = Conv(x, w) { pads: [1, 1, 1, 1] }
    b = BatchNormalization(a, s, s, s, v)
    c = Relu(b)
    d = GlobalAveragePool(c)
    k = int64 [2] [0, 4]
    e = Reshape(d, k)
    g = float32 [4, 5] normal
    y = Gemm(e, g)
    output y float32 [N, 5]`,
  branches: `
    opset 17
    input c bool []
    input x float32 [2]
    y = If(c) {
      then_branch: graph { t = Neg(x) output t float32 [2] },
      else_branch: graph { u = float32 [2] ones e = Add(x, u) output e float32 [2] }
    }
    output y float32 [2]`,
  quantized: `
    opset 17
    input x float32 [1, 4]
    s = float32 [] [0.1]
    z = int8 [] [0]
    q = int8 [4, 3] range
    w = DequantizeLinear(q, s, z)
    y = MatMul(x, w)
    output y float32 [1, 3]`,
  shapes: `
    opset 17
    input x float32 [N, 4, 6]
    a = Shape(x)
    i = int64 [1] [0]
    n = Gather(a, i) { axis: 0 }
    r = int64 [1] [-1]
    k = Concat(n, r) { axis: 0 }
    b = Reshape(x, k)
    o = ConstantOfShape(k) { value: float32 [1] [1] }
    st = int64 [1] [0]
    en = int64 [1] [9223372036854775807]
    c = Slice(b, st, en, r)
    p = Transpose(c) { perm: [1, 0] }
    t = Tile(p, k)
    y = Expand(t, k)
    output y float32 [N, M]`,
};

function externalModel(): Uint8Array {
  const at = (offset: number, length: number) => [
    { key: "location", value: SIBLINGS[0].name },
    { key: "offset", value: String(offset) },
    { key: "length", value: String(length) },
    { key: "checksum", value: "0".repeat(40) },
  ];
  const tensor = (name: string, offset: number, count: number) => ({
    name,
    dataType: 1,
    dims: [BigInt(count)],
    dataLocation: 1,
    externalData: at(offset, 4 * count),
  });
  return onnxBytes({
    irVersion: 9n,
    opsetImport: [{ version: 19n }],
    graph: {
      node: [{ opType: "Add", input: ["a", "b"], output: ["y"] }],
      initializer: [tensor("a", 0, 700), tensor("b", 4096, 400)],
    },
  });
}

function safetensors(): Seed[] {
  const types = DTYPES.filter((type) => type.safetensors !== null);
  let end = 0;
  const entries = types.map((type, i) => {
    const shape = i % 3 === 0 ? [8] : i % 3 === 1 ? [2, 4] : [2, 0, 3];
    const count = i % 3 === 2 ? 0 : 8;
    const begin = end;
    end += byteLength(type, count) ?? 0;
    return [`layer.${i}.w`, { dtype: type.safetensors, shape, data_offsets: [begin, end] }];
  });
  const all = {
    __metadata__: { format: "pt", note: "ü" },
    ...(Object.fromEntries(entries) as object),
  };
  const one = { w: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] } };
  const file = "examples/images/shapes.safetensors";
  return [
    { name: "every type", format: "safetensors", bytes: safetensorsBytes(all, end) },
    { name: "one tensor", format: "safetensors", bytes: safetensorsBytes(one, 16) },
    { name: "no tensor", format: "safetensors", bytes: safetensorsBytes({}, 0) },
    { name: file, format: "safetensors", bytes: new Uint8Array(readFileSync(file)) },
  ];
}

function indexes(): Seed[] {
  const index = (name: string, top: object): Seed => ({
    name,
    format: "safetensors.index.json",
    bytes: new TextEncoder().encode(JSON.stringify(top, null, 2)),
  });
  const weights = { "a.w": "shard-1.safetensors", "b.w": "shard-2.safetensors" };
  return [
    index("two shards", { metadata: { total_size: 16 }, weight_map: weights }),
    index("one shard", { weight_map: { "a.w": "shard-1.safetensors" }, more: [1, { a: null }] }),
  ];
}
