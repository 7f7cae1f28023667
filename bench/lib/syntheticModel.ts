/**
 * Writes an ONNX model of any size as a chain of MatMuls with distinct, seeded weights. The wire format
 * is written by hand, weight after weight, so that neither our own writer nor memory limits the size.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

export interface SyntheticModel {
  readonly tensors: number;
  /** Rows and columns of the first weight; the next is its transpose's shape, and so on in turn. */
  readonly rows: number;
  readonly columns: number;
}

/** 180 weights of 8.4 MB: 1.51 GB, the layout measured when the file layer was designed. */
export const GIGABYTE_AND_A_HALF: SyntheticModel = { tensors: 180, rows: 1024, columns: 2048 };

/** 715 weights: 6 GB, more than one ONNX file can hold. */
export const SIX_GIGABYTES: SyntheticModel = { tensors: 715, rows: 1024, columns: 2048 };

const FLOAT = 1;
const EXTERNAL = 1;
/** Data begins at a multiple of this, as exporters place it. */
const ALIGNMENT = 65536;

/** Writes the model; returns its size in bytes. `weightName(i)` names tensor i. */
export function writeSyntheticModel(file: string, model: SyntheticModel): number {
  const weightBytes = model.rows * model.columns * 4;
  const heads = Array.from({ length: model.tensors }, (_, i) =>
    weightHead(weightName(i), weightShape(model, i), weightBytes),
  );
  const nodes = heads.map((_, i) => field(1, matMul(i, model.tensors)));
  const ends = Buffer.concat([
    field(11, valueInfo("x", model.rows)),
    field(12, valueInfo("y", weightShape(model, model.tensors - 1)[1])),
  ]);
  const graphBytes =
    nodes.reduce((sum, node) => sum + node.length, 0) +
    heads.reduce((sum, head) => sum + head.length + weightBytes, 0) +
    text(2, "synthetic").length +
    ends.length;
  const fd = openSync(file, "w");
  let written = 0;
  const put = (bytes: Uint8Array): void => {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    written += bytes.length;
  };
  try {
    put(Buffer.concat([number(1, 8), text(2, "lathe-bench"), tag(7, 2), varint(graphBytes)]));
    put(Buffer.concat([...nodes, text(2, "synthetic")]));
    const values = new Float32Array(model.rows * model.columns);
    heads.forEach((head, i) => {
      put(head);
      fillNormal(values, i + 1);
      put(new Uint8Array(values.buffer));
    });
    put(ends);
    put(field(8, number(2, 17)));
  } finally {
    closeSync(fd);
  }
  return written;
}

/**
 * Writes the model with its weights in one data file beside it (all of them the same numbers, so
 * that making it takes no longer than writing it); returns the bytes of both files.
 */
export function writeExternalModel(file: string, model: SyntheticModel): number {
  const data = `${path.basename(file, ".onnx")}.data`;
  const weightBytes = model.rows * model.columns * 4;
  const stride = Math.ceil(weightBytes / ALIGNMENT) * ALIGNMENT;
  const entry = (key: string, value: string): Buffer =>
    field(13, Buffer.concat([text(1, key), text(2, value)]));
  const parts: Buffer[] = [];
  for (let i = 0; i < model.tensors; i++)
    parts.push(
      field(1, matMul(i, model.tensors)),
      field(
        5,
        Buffer.concat([
          ...weightShape(model, i).map((dim) => number(1, dim)),
          number(2, FLOAT),
          text(8, weightName(i)),
          entry("location", data),
          entry("offset", String(i * stride)),
          entry("length", String(weightBytes)),
          number(14, EXTERNAL),
        ]),
      ),
    );
  const last = weightShape(model, model.tensors - 1)[1];
  parts.push(text(2, "synthetic"), field(11, valueInfo("x", model.rows)));
  parts.push(field(12, valueInfo("y", last)));
  const head = Buffer.concat([number(1, 8), text(2, "lathe-bench")]);
  const bytes = Buffer.concat([head, field(7, Buffer.concat(parts)), field(8, number(2, 17))]);
  writeFileSync(file, bytes);
  const values = new Float32Array(stride / 4);
  fillNormal(values.subarray(0, weightBytes / 4), 1);
  const fd = openSync(path.join(path.dirname(file), data), "w");
  try {
    for (let i = 0; i < model.tensors; i++) {
      const weight = new Uint8Array(values.buffer);
      for (let done = 0; done < weight.length;) done += writeSync(fd, weight, done);
    }
  } finally {
    closeSync(fd);
  }
  return bytes.length + model.tensors * stride;
}

export const weightName = (i: number): string => `layers.${i}.weight`;
export const nodeName = (i: number): string => `/layers.${i}/MatMul`;

const weightShape = (model: SyntheticModel, i: number): readonly [number, number] =>
  i % 2 === 0 ? [model.rows, model.columns] : [model.columns, model.rows];

/** About normal with standard deviation 0.02: two 16-bit halves of an xorshift state, summed. */
function fillNormal(values: Float32Array, seed: number): void {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < values.length; i++) {
    let sum = 0;
    for (let k = 0; k < 2; k++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      sum += (state & 0xffff) + ((state >>> 16) & 0xffff);
    }
    values[i] = (sum / 65535 - 2) * 0.035;
  }
}

function matMul(i: number, count: number): Buffer {
  const input = i === 0 ? "x" : `h${i}`;
  const output = i === count - 1 ? "y" : `h${i + 1}`;
  return Buffer.concat([
    text(1, input),
    text(1, weightName(i)),
    text(2, output),
    text(3, nodeName(i)),
    text(4, "MatMul"),
  ]);
}

/** An initializer up to where its raw_data begins; the raw data itself follows in the file. */
function weightHead(name: string, shape: readonly number[], rawBytes: number): Buffer {
  const before = Buffer.concat([
    ...shape.map((dim) => number(1, dim)),
    number(2, FLOAT),
    text(8, name),
    tag(9, 2),
    varint(rawBytes),
  ]);
  return Buffer.concat([tag(5, 2), varint(before.length + rawBytes), before]);
}

function valueInfo(name: string, width: number): Buffer {
  const dims = [text(2, "batch"), number(1, width)].map((dim) => field(1, dim));
  const tensorType = Buffer.concat([number(1, FLOAT), field(2, Buffer.concat(dims))]);
  return Buffer.concat([text(1, name), field(2, field(1, tensorType))]);
}

const tag = (id: number, wireType: number): Buffer => varint(id * 8 + wireType);
const number = (id: number, value: number): Buffer => Buffer.concat([tag(id, 0), varint(value)]);
const field = (id: number, bytes: Buffer): Buffer =>
  Buffer.concat([tag(id, 2), varint(bytes.length), bytes]);
const text = (id: number, value: string): Buffer => field(id, Buffer.from(value));

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
