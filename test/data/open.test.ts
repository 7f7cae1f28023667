/** Every kind of data, opened for a model's inputs; and every way in which it can be wrong. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { zipSync } from "fflate";
import type { Batch, BoundData } from "../../src/data/bind.ts";
import type { ModelIo, Split } from "../../src/data/dataset.ts";
import { openData } from "../../src/data/open.ts";
import type { DtypeName } from "../../src/shared/dtype.ts";
import { DataError } from "../../src/shared/errors.ts";
import { npyBytes } from "../helpers/npy.ts";
import { tempFolder } from "../helpers/temp.ts";

type Shape = readonly (number | string | null)[];
const io = (
  inputs: Record<string, readonly [DtypeName, Shape]>,
  outputs: Record<string, readonly [DtypeName, Shape]> = { y: ["float32", ["n", 10]] },
): ModelIo => {
  const list = (all: typeof inputs): ModelIo["inputs"] =>
    Object.entries(all).map(([name, [dtype, shape]]) => ({ name, dtype, shape }));
  return { inputs: list(inputs), outputs: list(outputs) };
};
const VECTOR = io({ x: ["float32", ["n", 2]] });

async function all(data: BoundData, limit: number | null = null, open?: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of data.batches(limit, open)) batches.push(batch);
  return batches;
}
const values = (batch: Batch | undefined, name: string): unknown[] => [
  ...(batch?.feeds.get(name)?.data ?? []),
];

/** A folder with four samples of two values and labels. */
function fourSamples(folder: string): void {
  writeFileSync(
    path.join(folder, "x.npy"),
    npyBytes([4, 2], Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7)),
  );
  writeFileSync(path.join(folder, "y.npy"), npyBytes([4], Int32Array.of(0, 1, 2, 3)));
}
function writeJson(folder: string, json: unknown, name = "dataset.json"): string {
  const file = path.join(folder, name);
  writeFileSync(file, typeof json === "string" ? json : JSON.stringify(json));
  return file;
}
const CLASSES = {
  task: "classification",
  metric: "top1",
  inputs: { "*": { file: "x.npy" } },
  labels: "y.npy",
};

test("dataset.json: batches in order, with labels, as far as the limit", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  const data = await openData(writeJson(folder, CLASSES), VECTOR);
  assert.deepEqual(
    [data.task, data.metric, data.count, data.labelled, data.fixedBatch],
    ["classification", "top1", 4, true, null],
  );
  const batches = await all(data, 3, 2);
  assert.deepEqual(
    batches.map(({ first, count }) => [first, count]),
    [
      [0, 2],
      [2, 1],
    ],
  );
  assert.deepEqual(values(batches[1], "x"), [4, 5]);
  assert.deepEqual(batches[1]?.feeds.get("x")?.shape, [1, 2]);
  assert.deepEqual([...(batches[0]?.labels ?? [])], [0, 1]);
});

test("a folder that holds a dataset.json is that data set", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  writeJson(folder, CLASSES);
  assert.equal((await openData(folder, VECTOR)).count, 4);
});

test("a fixed batch is honoured: the last one repeats its last sample", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  const data = await openData(writeJson(folder, CLASSES), io({ x: ["float32", [3, 2]] }));
  const batches = await all(data);
  assert.deepEqual(
    batches.map(({ count, rows }) => [count, rows]),
    [
      [3, 3],
      [1, 3],
    ],
  );
  assert.deepEqual(values(batches[1], "x"), [6, 7, 6, 7, 6, 7]);
  const single = await openData(path.join(folder, "dataset.json"), io({ x: ["float32", [1, 2]] }));
  assert.equal((await all(single)).length, 4);
});

test("dimensions of 1 may differ; one array may be the one sample; a model may take no batch", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  const file = writeJson(folder, { inputs: { x: { file: "x.npy" } } });
  const shapeFor = async (shape: Shape): Promise<unknown> => {
    const data = await openData(file, io({ x: ["float32", shape] }));
    return [data.count, (await all(data))[0]?.feeds.get("x")?.shape];
  };
  assert.deepEqual(await shapeFor(["n", 1, 2, 1]), [4, [4, 1, 2, 1]]);
  assert.deepEqual(await shapeFor([1, 1, 4, 2]), [1, [1, 1, 4, 2]]);
  assert.deepEqual(await shapeFor([2]), [4, [2]]);
});

test("calibration comes from its own section, and is refused where there is none", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  writeFileSync(path.join(folder, "c.npy"), npyBytes([1, 2], Float32Array.of(8, 9)));
  const open = (json: unknown, split: Split): Promise<BoundData> =>
    openData(writeJson(folder, json), VECTOR, split);
  const both = { ...CLASSES, calibration: { inputs: { "*": { file: "c.npy" } } } };
  assert.deepEqual(values((await all(await open(both, "calibration")))[0], "x"), [8, 9]);
  assert.equal((await open(both, "evaluation")).count, 4);
  await assert.rejects(open(CLASSES, "calibration"), /no samples set aside for calibration/);
  copyFileSync("test/fixtures/pair.npz", path.join(folder, "pair.npz"));
  await assert.rejects(
    openData(path.join(folder, "pair.npz"), VECTOR, "calibration"),
    /no samples set aside for calibration/,
  );
});

test("expected outputs by name or *, with their scale; an array without sample axis is split", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  const json = {
    task: "agreement",
    metric: "psnr",
    inputs: { "*": { file: "x.npy" } },
    outputs: { "*": { file: "x.npy", scale: 0.5 } },
  };
  const data = await openData(writeJson(folder, json), VECTOR);
  assert.deepEqual([...((await all(data, 2))[0]?.expected.get("y") ?? [])], [0, 0.5, 1, 1.5]);
  const whole = await openData(
    path.join(folder, "dataset.json"),
    io({ x: ["float32", [1, 4, 2]] }),
  );
  assert.equal((await all(whole))[0]?.expected.get("y")?.length, 8);
  await assert.rejects(
    openData(writeJson(folder, { ...json, outputs: { z: { file: "x.npy" } } }), VECTOR),
    /the model has no output "z"/,
  );
});

test("expected outputs stored as float16 are numbers, not bits", async (t) => {
  const folder = tempFolder(t);
  fourSamples(folder);
  const half = npyBytes([4, 1], Uint8Array.of(0x00, 0x3c, 0x00, 0x40, 0x00, 0x42, 0x00, 0x44));
  const text = Buffer.from(half).toString("latin1").replace("|u1", "<f2");
  writeFileSync(path.join(folder, "h.npy"), Buffer.from(text, "latin1"));
  const json = { inputs: { "*": { file: "x.npy" } }, outputs: { "*": { file: "h.npy" } } };
  const [batch] = await all(await openData(writeJson(folder, json), VECTOR));
  assert.deepEqual([...(batch?.expected.get("y") ?? [])], [1, 2, 3, 4]);
});

test("text: windows that do not overlap, next tokens as labels", async (t) => {
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, "t.txt"), "ab\r\ncabcabc?");
  writeJson(folder, { chars: ["a", "b", "c", "\n"] }, "v.json");
  const spec = { file: "t.txt", vocab: "v.json", context: 3 };
  const tokens = io({ ids: ["int64", ["n", "t"]] }, { logits: ["float32", ["n", "t", 4]] });
  const open = (more: object): Promise<BoundData> =>
    openData(
      writeJson(folder, { task: "language-model", inputs: { "*": { ...spec, ...more } } }),
      tokens,
    );
  const data = await open({});
  assert.deepEqual([data.task, data.metric, data.count], ["language-model", "perplexity", 3]);
  const [batch] = await all(data);
  // a b \n c a b c a b c; the question mark is not in the vocabulary.
  assert.deepEqual(values(batch, "ids").map(Number), [0, 1, 3, 2, 0, 1, 2, 0, 1]);
  assert.deepEqual([...(batch?.labels ?? [])], [1, 3, 2, 0, 1, 2, 0, 1, 2]);
  const half = await open({ range: [0.5, 1] });
  assert.deepEqual(values((await all(half))[0], "ids").map(Number), [1, 2, 0]);
  const drawn = await open({ samples: 5 });
  assert.equal(drawn.count, 5);
  assert.deepEqual(
    await all(drawn),
    await all(await open({ samples: 5 })),
    "always the same windows",
  );
  await assert.rejects(open({ context: 20 }), /10 tokens, less than one window of 20/);
  await assert.rejects(open({ range: [0.9, 0.1] }), /"range" is \[0.9, 0.1\]/);
  await assert.rejects(open({ context: 0 }), /"context" is 0/);
  await assert.rejects(open({ scale: 1 }), /unknown key "scale"/);
  writeJson(folder, { a: 1 }, "v.json");
  await assert.rejects(open({}), /not a list of characters/);
});

test("token ids stored as an array are windows too", async (t) => {
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, "ids.npy"), npyBytes([7], Int32Array.of(5, 6, 7, 8, 9, 1, 2)));
  const file = writeJson(folder, { inputs: { "*": { file: "ids.npy", context: 3 } } });
  const data = await openData(file, io({ ids: ["int64", ["n", "t"]] }));
  assert.deepEqual(values((await all(data))[0], "ids").map(Number), [5, 6, 7, 8, 9, 1]);
});

test("plain text: characters if the model has as many tokens, else bytes", async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, "t.txt");
  writeFileSync(file, "cabé".repeat(8));
  const open = (tokens: number): Promise<BoundData> =>
    openData(file, io({ ids: ["int64", [1, 4]] }, { y: ["float32", [1, 4, tokens]] }));
  assert.deepEqual(values((await all(await open(4)))[0], "ids").map(Number), [2, 0, 1, 3]);
  assert.deepEqual(values((await all(await open(256)))[0], "ids").map(Number), [99, 97, 98, 195]);
  await assert.rejects(open(50), /4 distinct characters, the model has 50 tokens/);
});

test("npz: arrays by input name, labels; another name is told", async () => {
  const data = await openData("test/fixtures/pair.npz", VECTOR);
  const [batch] = await all(data);
  assert.deepEqual([data.task, data.count], ["classification", 4]);
  assert.deepEqual(values(batch, "x"), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual([...(batch?.labels ?? [])].map(Number), [0, 1, 1, 0]);
  await assert.rejects(
    openData("test/fixtures/pair.npz", io({ image: ["float32", ["n", 2]] })),
    /gives nothing for the model's input "image"/,
  );
});

test("npz: a zip that unpacks to more than the limit is refused before it is unpacked", async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, "bomb.npz");
  const zip = zipSync({ "x.npy": npyBytes([4, 2], new Float32Array(8)) });
  const view = new DataView(zip.buffer);
  const directory = Buffer.from(zip).lastIndexOf("PK\x01\x02", undefined, "latin1");
  view.setUint32(directory + 24, 0x7fffffff, true);
  writeFileSync(file, zip);
  await assert.rejects(
    openData(file, VECTOR),
    /its arrays have 2147483647 bytes; at most 1073741824/,
  );
  writeFileSync(file, "not a zip");
  await assert.rejects(openData(file, VECTOR), /not a readable \.npz file/);
});

test("csv and jsonl: a column per input, numbered columns, or all columns for one input", async (t) => {
  const folder = tempFolder(t);
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const plain = await openData(write("a.csv", "f,g,label\n1,2,0\n3,4,1\n"), VECTOR);
  assert.deepEqual(values((await all(plain))[0], "x"), [1, 2, 3, 4]);
  assert.deepEqual([...((await all(plain))[0]?.labels ?? [])], [0, 1]);
  const two = io({ a: ["float32", ["n", 1]], b: ["int64", ["n", 2]] });
  const numbered = await openData(write("b.csv", "a,b[0],b[1],label\n0.5,1,2,0\n"), two);
  assert.deepEqual(
    [values((await all(numbered))[0], "a"), values((await all(numbered))[0], "b")],
    [[0.5], [1n, 2n]],
  );
  const lines = await openData(
    write("c.jsonl", '{"x":[1,2],"label":3}\n\n{"x":[5,6],"label":4}\n'),
    VECTOR,
  );
  assert.deepEqual(values((await all(lines))[0], "x"), [1, 2, 5, 6]);
  const words = io({ s: ["string", ["n", 1]] });
  const texts = await openData(write("d.jsonl", '{"s":"hello","label":0}\n'), words);
  assert.deepEqual(values((await all(texts))[0], "s"), ["hello"]);
  await assert.rejects(
    openData(write("e.csv", "f,label\n1,zwei\n"), VECTOR),
    /column "label" of sample 0 is "zwei"/,
  );
  await assert.rejects(
    openData(write("f.jsonl", '{"x":[1,2]}\n[1]\n'), VECTOR),
    /line 2 is not a JSON object/,
  );
  await assert.rejects(openData(write("g.csv", "f,g,label\n1,2\n"), VECTOR), /line 2/);
  await assert.rejects(openData(write("h.csv", "f,g\n"), VECTOR), /has no samples/);
  await assert.rejects(
    openData(write("i.jsonl", '{"x":[1,2]}\n{"x":[1]}\n'), VECTOR),
    /has 1 values, the first row has 2/,
  );
});

test("a folder of images takes the model's layout", async (t) => {
  const folder = tempFolder(t);
  const image = (value: number): Uint8Array =>
    encode({ width: 2, height: 1, channels: 3, data: Uint8Array.of(value, 1, 2, 3, 4, 5) });
  writeFileSync(path.join(folder, "a.png"), image(0));
  writeFileSync(path.join(folder, "b.png"), image(9));
  writeFileSync(path.join(folder, "labels.csv"), "file,label\na.png,1\nb.png,0\n");
  const first = async (shape: Shape): Promise<unknown[]> =>
    values((await all(await openData(folder, io({ x: ["float32", shape] }))))[0], "x").slice(0, 6);
  assert.deepEqual(await first(["n", 3, 1, 2]), [0, 3, 1, 4, 2, 5]);
  assert.deepEqual(await first(["n", 1, 2, 3]), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual((await first(["n", 1, 1, 2])).slice(0, 2), [1, 4], "grey");
  const notes = async (where: string, type: DtypeName): Promise<readonly string[]> =>
    (await openData(where, io({ x: [type, ["n", 1, 2, 3]] }))).notes;
  const [note, ...others] = await notes(folder, "float32");
  assert.match(note ?? "", /"x" are fed as 0 to 255.*"scale".*dataset\.json/);
  assert.deepEqual(others, []);
  assert.deepEqual(await notes(folder, "uint8"), [], "bytes are what the model takes");
  const stated = (steps: object): string =>
    writeJson(folder, { inputs: { x: { folder: ".", ...steps } } }, "stated.json");
  assert.equal((await notes(stated({}), "float32")).length, 1);
  assert.deepEqual(await notes(stated({ scale: 1 }), "float32"), []);
  await assert.rejects(first(["n", 3, 8, 8]), /samples for input "x" have shape \[3, 1, 2\]/);
  writeFileSync(path.join(folder, "labels.csv"), "file,label\na.png,cat\n");
  await assert.rejects(first(["n", 3, 1, 2]), /line 2 has the label "cat"/);
});

test("idx pairs, gzipped or not", async (t) => {
  const folder = tempFolder(t);
  const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4);
  const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 8);
  writeFileSync(path.join(folder, "t10k-images-idx3-ubyte.gz"), gzipSync(images));
  writeFileSync(path.join(folder, "t10k-labels-idx1-ubyte.gz"), gzipSync(labels));
  const model = io({ x: ["float32", ["n", 1, 1, 2]] });
  const [batch] = await all(await openData(folder, model));
  assert.deepEqual(values(batch, "x"), [1, 2, 3, 4]);
  assert.deepEqual([...(batch?.labels ?? [])], [7, 8]);
  const plain = path.join(folder, "plain");
  mkdirSync(plain);
  writeFileSync(path.join(plain, "train-images.idx3-ubyte"), images);
  writeFileSync(path.join(plain, "train-labels.idx1-ubyte"), labels);
  assert.equal((await openData(path.join(plain, "train-images.idx3-ubyte"), model)).count, 2);
  writeFileSync(path.join(plain, "train-images.idx3-ubyte"), images.subarray(0, 18));
  await assert.rejects(openData(plain, model), /2 values are there, \[2, 1, 2\] were announced/);
});

const REFUSALS: readonly (readonly [string, unknown, RegExp])[] = [
  ["not JSON", "{", /it is not JSON/],
  ["not an object", "[]", /it is \[\]/],
  ["unknown key", { ...CLASSES, lables: "y.npy" }, /unknown key "lables"/],
  ["unknown task", { ...CLASSES, task: "vision" }, /"task" is "vision"/],
  ["unknown metric", { ...CLASSES, metric: "psnr" }, /"metric" is "psnr"/],
  ["no inputs", { task: "classification" }, /inputs: it is missing/],
  ["empty inputs", { inputs: {} }, /it names no input/],
  ["input not an object", { inputs: { x: "x.npy" } }, /inputs\.x: it is "x\.npy"/],
  ["no file", { inputs: { x: {} } }, /inputs\.x: "file" is missing/],
  ["missing file", { inputs: { x: { file: "nix.npy" } } }, /nix\.npy does not exist/],
  ["a device", { inputs: { x: { file: "/dev/zero" } } }, /\/dev\/zero is not data Lathe can read/],
  ["unknown step", { inputs: { x: { file: "x.npy", scal: 2 } } }, /unknown key "scal"/],
  ["scale is text", { inputs: { x: { file: "x.npy", scale: "2" } } }, /"scale" is "2"/],
  ["std of 0", { inputs: { x: { file: "x.npy", std: [1, 0] } } }, /"std" holds 0/],
  ["unknown layout", { inputs: { x: { file: "x.npy", layout: "CHW" } } }, /"layout" is "CHW"/],
  ["other input", { inputs: { image: { file: "x.npy" } } }, /nothing for the model's input "x"/],
  [
    "missing labels",
    { inputs: { x: { file: "x.npy", reshape: [2, 1, 1] } }, labels: "y3.npy" },
    /y3\.npy does not exist/,
  ],
  [
    "shape",
    { inputs: { x: { file: "wide.npy" } } },
    /samples for input "x" have shape \[3\]; the model takes \[2\]/,
  ],
  [
    "fewer labels",
    { ...CLASSES, labels: "few.npy" },
    /it has 2 samples for labels, other inputs have 4/,
  ],
  [
    "labels of numbers",
    { ...CLASSES, labels: "x.npy" },
    /labels must be one whole number per sample/,
  ],
  ["no samples", { inputs: { x: { file: "none.npy" } } }, /has no samples/],
  ["NaN", { inputs: { x: { file: "nan.npy" } } }, /sample 1 holds NaN/],
];
for (const [name, json, pattern] of REFUSALS)
  test(`refused by name: ${name}`, async (t) => {
    const folder = tempFolder(t);
    fourSamples(folder);
    const put = (file: string, shape: readonly number[], data: Float32Array | Int32Array): void => {
      writeFileSync(path.join(folder, file), npyBytes(shape, data));
    };
    put("wide.npy", [2, 3], new Float32Array(6));
    put("none.npy", [0, 2], new Float32Array(0));
    put("few.npy", [2], Int32Array.of(0, 1));
    put("nan.npy", [2, 2], Float32Array.of(0, 1, NaN, 3));
    await assert.rejects(
      async () => all(await openData(writeJson(folder, json), VECTOR)),
      (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, pattern);
        assert.ok((error.failure.hint ?? "").length > 0);
        return true;
      },
    );
  });

test("what is no data is refused by name", async (t) => {
  const folder = tempFolder(t);
  await assert.rejects(openData(path.join(folder, "nix"), VECTOR), /nix does not exist/);
  await assert.rejects(openData(folder, VECTOR), /is not data Lathe can read/);
  writeFileSync(path.join(folder, "x.bin"), "x");
  await assert.rejects(openData(path.join(folder, "x.bin"), VECTOR), /is not data Lathe can read/);
});

test("the calibration and evaluation sections of the reference data sets open", async (t) => {
  const root = "../shared/data";
  let text: string;
  try {
    text = readFileSync(path.join(root, "tinyshakespeare/dataset.json"), "utf8");
  } catch {
    t.skip("the reference data is not here");
    return;
  }
  assert.ok(text.length > 0);
  const tokens = io({ ids: ["int64", ["b", "t"]] }, { y: ["float32", ["b", "t", 65]] });
  const file = path.join(root, "tinyshakespeare/dataset.json");
  assert.equal((await openData(file, tokens)).count, 435);
  assert.equal((await openData(file, tokens, "calibration")).count, 64);
  assert.equal(
    (await openData(path.join(root, "tinyshakespeare/input.txt"), tokens)).task,
    "language-model",
  );
});
