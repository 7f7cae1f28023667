/** The one door to onnxruntime: types in and out, and every way in which it refuses. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { encodeModel } from "../../src/formats/index.ts";
import { openModel, readRange } from "../../src/engine/files.ts";
import { createSession, runtimeVersion } from "../../src/engine/ort.ts";
import { EngineError, type Failure } from "../../src/shared/errors.ts";
import {
  hostData,
  numberToFloat16,
  toNumbers,
  type HostTensor,
} from "../../src/shared/hostTensor.ts";
import type { DtypeName } from "../../src/shared/dtype.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { modelFile, tempFolder } from "../helpers/temp.ts";

const OPTIONS = { threads: 1, optimization: "all" } as const;
const refusal = (check: (failure: Failure) => void) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  check(error.failure);
  return true;
};

test("the version of the runtime is the one that the figures were measured with", async () => {
  assert.equal(await runtimeVersion(), "1.30.0");
});

for (const type of [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
] as const satisfies readonly DtypeName[])
  test(`${type} goes in and comes out`, async () => {
    const session = await createSession(
      onnxFromText(`opset 17\ninput x ${type} [n, 3]\ny = Identity(x)\noutput y ${type} [n, 3]`),
      OPTIONS,
    );
    const data = hostData(type, 6);
    assert.ok(data !== null && !Array.isArray(data));
    for (let i = 0; i < 6; i++)
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(i % 2);
      else data[i] = type === "float16" ? numberToFloat16(i / 2) : i % 2;
    assert.deepEqual(session.inputs, [{ name: "x", dtype: type, shape: ["n", 3] }]);
    const out = await session.run(new Map([["x", { dtype: type, shape: [2, 3], data }]]));
    await session.release();
    assert.deepEqual(out.get("y"), { dtype: type, shape: [2, 3], data });
  });

test("strings go in and come out", async () => {
  const text = `opset 17\ninput x string [2]\ny = Identity(x)\noutput y string [2]`;
  const session = await createSession(onnxFromText(text), OPTIONS);
  const x: HostTensor = { dtype: "string", shape: [2], data: ["a", "ü"] };
  assert.deepEqual((await session.run(new Map([["x", x]]))).get("y"), x);
  await session.release();
});

test("only the outputs asked for are given; release may be called twice", async () => {
  const session = await createSession(
    onnxFromText(
      "opset 17\ninput x float32 [2]\na = Relu(x)\nb = Neg(x)\noutput a float32 [2]\noutput b float32 [2]",
    ),
    OPTIONS,
  );
  const feeds = new Map([
    ["x", { dtype: "float32" as const, shape: [2], data: Float32Array.of(-1, 2) }],
  ]);
  assert.deepEqual([...(await session.run(feeds)).keys()], ["a", "b"]);
  assert.deepEqual([...(await session.run(feeds, ["b"])).keys()], ["b"]);
  await session.release();
  await session.release();
});

test("a model with external data loads from its path", async (t) => {
  const folder = tempFolder(t);
  const source = modelFile(
    folder,
    "opset 17\ninput x float32 [1, 64]\nw = float32 [64, 64] normal\ny = MatMul(x, w)\noutput y float32 [1, 64]",
    "one.onnx",
  );
  for (const file of encodeModel(openModel(source), { externalData: "always", dataName: "w.data" }))
    writeFileSync(
      path.join(folder, file.name ?? "two.onnx"),
      Buffer.concat(file.pieces.map((p) => (p instanceof Uint8Array ? p : readRange(p)))),
    );
  const x: HostTensor = { dtype: "float32", shape: [1, 64], data: new Float32Array(64).fill(1) };
  const results: HostTensor[] = [];
  for (const name of ["one.onnx", "two.onnx"]) {
    const session = await createSession(path.join(folder, name), { ...OPTIONS, prepack: false });
    results.push(...(await session.run(new Map([["x", x]]))).values());
    await session.release();
  }
  assert.ok(results.length === 2 && toNumbers(results[0]!).some((v) => v !== 0));
  assert.deepEqual(results[0], results[1]);
});

test("types that cannot cross the boundary are named", async () => {
  const text = "opset 17\ninput x bfloat16 [2]\ny = Cast(x) { to: 1 }\noutput y float32 [2]";
  await assert.rejects(
    createSession(onnxFromText(text), OPTIONS),
    refusal(({ message }) => assert.match(message, /input or output of type bfloat16/)),
  );
});

test("what does not load says why, in the runtime's words", async (t) => {
  const folder = tempFolder(t);
  await assert.rejects(
    createSession(path.join(folder, "nix.onnx"), OPTIONS),
    refusal(({ message }) => assert.match(message, /nix\.onnx does not exist/)),
  );
  const junk = path.join(folder, "junk.onnx");
  writeFileSync(junk, "not a model");
  await assert.rejects(
    createSession(junk, OPTIONS),
    refusal(({ message, where }) => {
      assert.match(message, /onnxruntime does not load .*junk\.onnx: Protobuf parsing failed/);
      assert.equal(where, junk);
    }),
  );
  const unknown =
    "opset 17\nopset my.domain 1\ninput x float32 [2]\ny = my.domain.Foo(x)\noutput y float32 [2]";
  await assert.rejects(
    createSession(onnxFromText(unknown), OPTIONS),
    refusal(({ message }) => assert.match(message, /my\.domain:Foo/)),
  );
});

test("what does not run names the node, or the input and its dimension", async () => {
  const session = await createSession(
    onnxFromText(
      'opset 17\ninput i int64 [n]\ntable = float32 [4, 2] normal\ny = Gather(table, i) { name: "lookup" }\noutput y float32 [n, 2]',
    ),
    OPTIONS,
  );
  const ids = (shape: readonly number[], ...values: bigint[]): Map<string, HostTensor> =>
    new Map([["i", { dtype: "int64", shape, data: BigInt64Array.from(values) }]]);
  await assert.rejects(
    session.run(ids([1], 9n)),
    refusal(({ message, where }) => {
      assert.match(message, /indices element out of data bounds, idx=9/);
      assert.match(where ?? "", /node lookup$/);
    }),
  );
  await assert.rejects(
    session.run(ids([1, 1], 1n)),
    refusal(({ message }) => assert.match(message, /Invalid rank for input: i/)),
  );
  await assert.rejects(
    session.run(new Map()),
    refusal(({ message }) => assert.match(message, /input 'i' is missing/)),
  );
  await session.release();
});

test("a profile is written when the session is released", async (t) => {
  const folder = tempFolder(t);
  const session = await createSession(
    onnxFromText("opset 17\ninput x float32 [2]\ny = Relu(x)\noutput y float32 [2]"),
    { ...OPTIONS, profile: path.join(folder, "trace") },
  );
  await session.run(new Map([["x", { dtype: "float32", shape: [2], data: new Float32Array(2) }]]));
  await session.release();
  const [file = ""] = readdirSync(folder);
  assert.match(readFileSync(path.join(folder, file), "utf8"), /Relu/);
});
