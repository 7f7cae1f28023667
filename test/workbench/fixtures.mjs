/** The workspace of the tests: copies of the examples' models, one for each flow that changes it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const root = path.resolve(import.meta.dirname, "../..");
const tokenModel = path.join(root, "examples/text/chars.onnx");
const imageModel = path.join(root, "examples/images/shapes.onnx");

/** Names of the copies, by what they are copies of; for each workspace. */
const BASIC = {
  [tokenModel]: [
    "explorer.onnx",
    "batch1.onnx",
    "batch2.onnx",
    "edit.onnx",
    "cancel.onnx",
    "killed.onnx",
    "exit.onnx",
    "conflict.onnx",
    "git.onnx",
    "saveas.onnx",
    "outside.onnx",
    "themes.onnx",
    "compare.onnx",
    "shared.onnx",
  ],
  [imageModel]: ["cnn.onnx", "invalid.onnx"],
  [tokenModel.replace(/onnx$/, "safetensors")]: ["weights.safetensors"],
};

const MEASURED = {
  [imageModel]: [
    "cnn.onnx",
    "data.onnx",
    "analysis.onnx",
    "advise.onnx",
    "prune.onnx",
    "factor.onnx",
    "static.onnx",
    "limit.onnx",
    "optimize1.onnx",
    "optimize2.onnx",
    "git.onnx",
  ],
};

const STRUCTURE = {
  [tokenModel]: ["convert.onnx", "trained.onnx"],
  [imageModel]: ["cnn.onnx", "extract.onnx"],
  [tokenModel.replace(/onnx$/, "safetensors")]: ["weights.safetensors"],
};

const WORKSPACES = { basic: BASIC, measured: MEASURED, structure: STRUCTURE };

/** Fills `folder`, which becomes a git repository with everything committed. */
export function makeWorkspace(folder, { models = "basic" } = {}) {
  mkdirSync(folder, { recursive: true });
  for (const [source, names] of Object.entries(WORKSPACES[models]))
    for (const name of names) copyFileSync(source, path.join(folder, name));
  if (models === "measured") {
    mkdirSync(path.join(folder, "data"));
    for (const name of ["dataset.json", "calib_x.npy", "eval_x.npy", "eval_y.npy"])
      copyFileSync(path.join(root, "examples/images", name), path.join(folder, "data", name));
  }
  if (models === "basic") {
    misspell(path.join(folder, "invalid.onnx"), operator("Relu"), operator("Rela"));
    writeFileSync(path.join(folder, "broken.onnx"), '{"this": "is JSON"}\n');
  }
  if (models === "structure")
    cutIntoShards(path.join(folder, "weights.safetensors"), path.join(folder, "shards"), "chars");
  const git = (...args) => execFileSync("git", args, { cwd: folder, stdio: "ignore" });
  git("init", "-q");
  git("add", ".");
  git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "models");
}

/** A node's operator as it stands in a file: field 4, with its length. */
const operator = (name) => `"${String.fromCharCode(name.length)}${name}`;

/** Writes the first `word` of a file otherwise: an operator that is none, say. */
function misspell(file, word, other) {
  const bytes = readFileSync(file);
  bytes.write(other, bytes.indexOf(word));
  writeFileSync(file, bytes);
}

/** The tensors of a safetensors file as three files and their index, as transformers saves large models. */
function cutIntoShards(file, folder, stem) {
  const SHARDS = 3;
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: metadata, ...tensors } = JSON.parse(bytes.toString("utf8", 8, start));
  const rows = Object.entries(tensors);
  const each = Math.ceil(rows.length / SHARDS);
  const map = {};
  mkdirSync(folder);
  for (let n = 0; n < SHARDS; n++) {
    const own = rows.slice(n * each, (n + 1) * each);
    const name = `${stem}-0000${n + 1}-of-0000${SHARDS}.safetensors`;
    const header = { __metadata__: metadata };
    const parts = [];
    let at = 0;
    for (const [key, { data_offsets: range, ...rest }] of own) {
      const part = bytes.subarray(start + range[0], start + range[1]);
      header[key] = { ...rest, data_offsets: [at, (at += part.length)] };
      parts.push(part);
      map[key] = name;
    }
    const text = JSON.stringify(header);
    const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(head.length));
    writeFileSync(path.join(folder, name), Buffer.concat([length, head, ...parts]));
  }
  const total = rows.reduce((sum, [, { data_offsets: range }]) => sum + range[1] - range[0], 0);
  const index = { metadata: { total_size: total }, weight_map: map };
  const text = `${JSON.stringify(index, null, 2)}\n`;
  writeFileSync(path.join(folder, `${stem}.safetensors.index.json`), text);
}

export const sizeOf = (file) => statSync(file).size;
export const digestOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

/**
 * Changes a model as another program might: an unknown field at the end (number 15, two bytes long).
 * Still a model, and another one; 4 bytes longer.
 */
export const changeFile = (file) => appendFileSync(file, Buffer.from([0x7a, 0x02, 0x68, 0x69]));

/** Loads the model in onnxruntime and runs it once on zeros; the names of its outputs. */
export async function runModel(file) {
  const ort = createRequire(path.join(root, "package.json"))("onnxruntime-node");
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
  const feeds = {};
  for (const { name, type, shape } of session.inputMetadata) {
    const dims = shape.map((dim) => (typeof dim === "number" && dim > 0 ? dim : 1));
    const size = dims.reduce((a, b) => a * b, 1);
    const data = type === "int64" ? new BigInt64Array(size) : new Float32Array(size);
    feeds[name] = new ort.Tensor(type, data, dims);
  }
  const outputs = await session.run(feeds);
  return Object.keys(outputs);
}
