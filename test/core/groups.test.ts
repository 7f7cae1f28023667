/**
 * Dependency groups: whatever single group is pruned, the model runs, and its outputs are those of the
 * model in which the layers that read the same channels have zeros for them.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { findChannelGroups, type ChannelGroup } from "../../src/core/groups/channelGroups.ts";
import { atomsAt, removalOf } from "../../src/core/groups/removal.ts";
import { shrink } from "../../src/core/groups/shrink.ts";
import { matchRuns } from "../../src/core/groups/rules/reshape.ts";
import { applySteps } from "../../src/core/draft.ts";
import { mainGraph, type Model, type Tensor } from "../../src/core/model.ts";
import { beginTransaction } from "../../src/core/transaction.ts";
import type { WorkContext } from "../../src/core/context.ts";
import { UNHEARD } from "../../src/shared/task.ts";
import { openModel, readRange } from "../../src/engine/files.ts";
import { createSession } from "../../src/engine/ort.ts";
import { stageModel } from "../../src/engine/save.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import { elementCount } from "../../src/shared/dtype.ts";
import { toNumbers, type HostTensor } from "../../src/shared/hostTensor.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { gaussian } from "../helpers/random.ts";
import { groupModels } from "./groupModels.ts";

const folder = mkdtempSync(path.join(tmpdir(), "lathe-groups-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const kernels = loadKernels();
const bytesOf = ({ at }: Tensor): Uint8Array =>
  at instanceof Uint8Array ? at : readRange(at, 0, at.length);
const ctx = {
  kernels,
  checkpoint: async () => {},
  readBytes: async (tensor: Tensor, offset: number, length: number) =>
    bytesOf(tensor).subarray(offset, offset + length),
} as unknown as WorkContext;

let files = 0;
async function save(model: Model): Promise<string> {
  const file = path.join(folder, `${files++}.onnx`);
  const options = { externalData: "auto", overwrite: true, allowInput: false } as const;
  await (await stageModel(model, file, options, UNHEARD)).commit();
  return file;
}

/** The model without the atoms at these positions, through a transaction. */
async function pruned(
  model: Model,
  group: ChannelGroup,
  positions: readonly number[],
): Promise<Model> {
  let written = 0;
  const parts = path.join(folder, `part${files++}`);
  const sink = {
    write: async (data: Uint8Array | AsyncIterable<Uint8Array>) => {
      const pieces: Uint8Array[] = [];
      if (data instanceof Uint8Array) pieces.push(data);
      else for await (const piece of data) pieces.push(piece.slice());
      const file = `${parts}-${written++}`;
      const all = Buffer.concat(pieces);
      writeFileSync(file, all);
      return { file, offset: 0, length: all.length };
    },
  };
  const { tracer } = findChannelGroups(model);
  const tx = beginTransaction(model, sink);
  await shrink(tx, removalOf(tracer, new Set(atomsAt(group, positions))), ctx);
  return tx.finish();
}

/** The model in which the group's consumers have zeros in place of these channels. */
function masked(model: Model, group: ChannelGroup, positions: readonly number[]): Model {
  const { tracer } = findChannelGroups(model);
  const graph = mainGraph(model);
  const tensors = new Map<string, { tensor: Tensor; values: Float32Array }>();
  for (const { node, weight, axis, indices } of group.consumers) {
    const traced = tracer.constant(node.inputs[weight]!);
    assert.ok(traced, `${node.op} has a constant weight`);
    const { tensor } = traced.source;
    let own = tensors.get(traced.name);
    if (!own) {
      const values = kernels
        .toF32(tensor.dtype, bytesOf(tensor), elementCount(tensor.shape))
        .slice();
      tensors.set(traced.name, (own = { tensor, values }));
    }
    const inner = elementCount(tensor.shape.slice(axis + 1));
    const drop = new Set(positions.flatMap((p) => indices[p]!));
    own.values.forEach((_, i) => {
      if (drop.has(Math.floor(i / inner) % tensor.shape[axis]!)) own.values[i] = 0;
    });
  }
  return applySteps(
    model,
    [...tensors].map(([name, { tensor, values }]) => {
      assert.ok(graph.tensors.has(name), `${name} is an initializer`);
      const at = kernels.fromF32(tensor.dtype, values);
      return {
        kind: "putTensor",
        graph: [],
        tensor: { name, dtype: tensor.dtype.name, shape: tensor.shape, at, sizeBytes: at.length },
      } as const;
    }),
  );
}

async function outputs(file: string, batch: number): Promise<ReadonlyMap<string, HostTensor>> {
  const session = await createSession(file, { threads: 1, optimization: "all" });
  try {
    const feeds = session.inputs.map((input, i): [string, HostTensor] => {
      const shape = input.shape.map((dim) => (typeof dim === "number" ? dim : batch));
      const values = gaussian(elementCount(shape), i + 1);
      if (input.dtype === "int64") {
        const data = BigInt64Array.from(values, (v) =>
          BigInt(Math.min(9, Math.round(Math.abs(v) * 3))),
        );
        return [input.name, { dtype: "int64", shape, data }];
      }
      const half = kernels.fromF32({ ...float16 }, values);
      return input.dtype === "float16"
        ? [input.name, { dtype: "float16", shape, data: new Uint16Array(half.buffer) }]
        : [input.name, { dtype: "float32", shape, data: values }];
    });
    return await session.run(new Map(feeds));
  } finally {
    await session.release();
  }
}
const float16 = { name: "float16", bits: 16, kind: "float", onnx: 10, safetensors: "F16" } as const;

async function checkGroup(model: Model, group: ChannelGroup, batch: number): Promise<void> {
  const last = group.atoms.length - 1;
  const positions = group.atoms.length > 3 ? [0, last - 1] : [last];
  const small = await pruned(model, group, positions);
  const expected = await outputs(await save(masked(model, group, positions)), batch);
  const got = await outputs(await save(small), batch);
  for (const [name, tensor] of expected) {
    const other = got.get(name)!;
    assert.deepEqual(other.shape, tensor.shape);
    const [a, b] = [toNumbers(tensor), toNumbers(other)];
    const scale = Array.from(a).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    for (let i = 0; i < a.length; i++)
      assert.ok(
        Math.abs(a[i]! - b[i]!) <= 1e-4 * scale,
        `${group.name}: ${name}[${i}] ${a[i]} ${b[i]}`,
      );
  }
  // Another look at the result: the group is there, smaller.
  const again = findChannelGroups(small).groups.find((one) => one.name === group.name);
  if (again) assert.equal(again.atoms.length, group.atoms.length - positions.length);
}

/** Atoms of each group. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  residual: { a: 8, b: 6 },
  dense: { a: 4, b: 4, c: 4 },
  inception: { a: 6, b: 4, c: 5, d: 7 },
  shuffle: { a: 8, b: 4, e: 8 },
  "split shuffle": { "a[0-3]": 4, "a[4-7]": 4, c: 6 },
  "squeeze-excite": { a: 8, b: 4, d: 6 },
  depthwise: { a: 8, c: 6 },
  grouped: { a: 4, b: 3, c: 6 },
  "multi-head": { q: 3, up: 20 },
  "packed heads, computed shapes": { qkv: 2 },
  "grouped queries": { q: 2 },
  "flattened blocks": { a: 6, fc1: 10 },
  "gated units": { in: 8 },
  "deconvolution, slopes and norms": { a: 6, "up[2-6]": 5 },
  "shared parameters": { a: 5, c: 4 },
};

describe("groups of generated graphs", () => {
  for (const [name, text] of Object.entries(groupModels))
    it(name, async () => {
      const file = path.join(folder, `${name.replaceAll(/\W/g, "_")}.onnx`);
      writeFileSync(file, onnxFromText(text));
      const model = openModel(file);
      const { groups, skipped } = findChannelGroups(model);
      assert.deepEqual(
        Object.fromEntries(groups.map((group) => [group.name, group.atoms.length])),
        EXPECTED[name],
        JSON.stringify(skipped),
      );
      for (const group of groups) await checkGroup(model, group, 2);
    });
});

/** As graph.clean leaves it: weights are no inputs. */
function withoutFixedInputs(model: Model): Model {
  const { inputs, outputs, tensors } = mainGraph(model);
  if (model.irVersion < 4) return model;
  const own = inputs.filter((name) => !tensors.has(name));
  return applySteps(model, [{ kind: "setIo", graph: [], inputs: own, outputs }]);
}

const SHARED = "../shared/models";
const REAL = [
  ["trained/resnet8.onnx", 2],
  ["trained/mobilenet_s.onnx", 2],
  ["trained/lenet_bn.onnx", 2],
  ["third_party/squeezenet1_1_fp32.onnx", 1],
  ["third_party/ultraface_rfb320.onnx", 1],
  ["third_party/super_resolution.onnx", 1],
  ["third_party/mnist_cntk_op8.onnx", 1],
  ["third_party/fns_candy.onnx", 1],
  ["trained/textenc_bank.onnx", 2],
  ["trained/chargpt_s_op17.onnx", 2],
  ["trained/chargpt_s_op21.onnx", 2],
] as const;
describe("groups of trained networks", () => {
  const skip = existsSync(SHARED) ? false : "the shared models are not there";
  for (const [file, batch] of REAL)
    it(file, { skip }, async () => {
      const model = withoutFixedInputs(openModel(path.resolve(SHARED, file)));
      const { groups } = findChannelGroups(model);
      assert.ok(groups.length > 0 || file.includes("fns"), "it has groups");
      // All groups of a large network take a minute; LATHE_EVERY_GROUP=1 checks them too.
      const step = file.startsWith("trained") || process.env["LATHE_EVERY_GROUP"] === "1" ? 1 : 8;
      for (const [i, group] of groups.entries())
        if (i % step === 0) await checkGroup(model, group, batch);
    });
});

describe("runs of reshaped axes", () => {
  it("match products, keep symbols, give axes of size 1 to the last run", () => {
    assert.deepEqual(matchRuns(["N", 12, 5], ["N", 3, 4, 5]), [
      { from: [0, 1], to: [0, 1] },
      { from: [1, 2], to: [1, 3] },
      { from: [2, 3], to: [3, 4] },
    ]);
    assert.deepEqual(matchRuns(["N", 8, 1, 1], ["N", 8])?.at(-1), { from: [1, 4], to: [1, 2] });
    assert.equal(matchRuns(["N", "T", 8], [null, 8]), null);
  });
});
