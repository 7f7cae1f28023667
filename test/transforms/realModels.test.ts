/**
 * Every technique on real models, or on our own examples where the shared ones are not there: the
 * result is verified by running it, and doing it again changes nothing; what cannot be done is
 * refused by name. `npm run test:models` takes all models instead of a sample, with their own data.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Change } from "../../src/core/change.ts";
import type { Model } from "../../src/core/model.ts";
import { createEnvironment } from "../../src/engine/environment.ts";
import { UNHEARD } from "../../src/shared/task.ts";
import { createComputing } from "../../src/engine/computing.ts";
import { fingerprint } from "../../src/engine/files.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { verifyModel } from "../../src/engine/verify.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import type { Doc, Entry } from "../../src/shared/doc.ts";
import { LatheError } from "../../src/shared/errors.ts";
import { transforms } from "../../src/transforms/index.ts";
import { writeCalibration } from "../helpers/calibration.ts";

const SHARED = "../shared/models";
/** One of each kind: token model, branches, recurrent, already quantized, IR 3, folding cap. */
const SAMPLE = [
  "trained/chargpt_s_op17.onnx",
  "trained/textenc_bank.onnx",
  "trained/resnet8.safetensors",
  "third_party/silero_vad.onnx",
  "third_party/dtln_1.onnx",
  "third_party/tract_qlstm.onnx",
  "third_party/mnist_cntk_op8.onnx",
  "third_party/light_resnet50.onnx",
];
const ALL = process.env["LATHE_MODELS"] === "all";
const FOLDERS = ["trained", "third_party"];
const isModel = (file: string): boolean => /\.(onnx|safetensors)$/.test(file);
const sharedModels = (): readonly string[] =>
  ALL
    ? FOLDERS.flatMap((folder) =>
        readdirSync(path.join(SHARED, folder))
          .filter(isModel)
          .map((file) => `${folder}/${file}`),
      )
    : SAMPLE;
const models = existsSync(SHARED)
  ? sharedModels().map((file) => path.join(SHARED, file))
  : ["examples/images", "examples/text"].flatMap((folder) =>
      readdirSync(folder)
        .filter(isModel)
        .map((file) => path.join(folder, file)),
    );

/** The data that belongs to a model; others get seeded noise of their inputs' shapes. */
const DATA: Readonly<Record<string, string>> = {
  "resnet8.onnx": "cifar10/dataset.json",
  "mobilenet_s.onnx": "cifar10/dataset.json",
  "lenet_bn.onnx": "mnist/lenet.dataset.json",
  "mnist_cntk_op8.onnx": "mnist/cntk.dataset.json",
  "textenc_bank.onnx": "banking77/dataset.json",
  "chargpt_s_op17.onnx": "tinyshakespeare/dataset.json",
  "chargpt_s_op21.onnx": "tinyshakespeare/dataset.json",
  "squeezenet1_1_fp32.onnx": "imagenet224/dataset.json",
  "squeezenet_fp16.onnx": "imagenet224/dataset.json",
};

async function dataFor(file: string, folder: string): Promise<Pick<Doc, "data">> {
  if (!file.endsWith(".onnx")) return {};
  const own = DATA[path.basename(file)];
  if (ALL && own !== undefined) return { data: path.resolve("../shared/data", own) };
  try {
    return { data: await writeCalibration(file, folder, { samples: 4, symbol: 8, below: 4 }) };
  } catch (error) {
    // A model that onnxruntime does not load has no data either; the technique has to say so.
    if (error instanceof LatheError) return {};
    throw error;
  }
}

async function applied(
  file: string,
  recipe: readonly Entry[],
  check: (result: {
    model: Model;
    file: string;
    again: readonly string[];
    /** Bytes of tensors that came. */
    added: number;
    changes: readonly Change[];
  }) => void | Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
  try {
    const env = createEnvironment({
      scratch: openScratch(folder),
      kernels: loadKernels(),
      build: "test",
      computing: createComputing(1),
    });
    const base = (of: string): Doc["base"] => ({ path: of, fingerprint: fingerprint(of) });
    const needs = recipe.some(
      (e) => transforms.find((t) => t.meta.id === e.transform)?.meta.data !== "none",
    );
    const data = needs ? await dataFor(file, folder) : {};
    const doc: Doc = { base: base(path.resolve(file)), recipe, ...data };
    const { model, changes } = await env.open(doc);
    const added = changes.reduce((sum, c) => sum + c.bytesAfter - c.bytesBefore, 0);
    const result = await env.fileFor(doc);
    const second = await env.open({ base: base(result), recipe, ...data });
    const again = second.changes.flatMap((change) => change.units.map((unit) => unit.name));
    await check({ model, file: result, again, added, changes });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const entry = (transform: string, params: Entry["params"] = {}): Entry => ({ transform, params });
/** The example recipe of the technique: with what it cannot do without. */
const recipeOf = (id: string): readonly Entry[] => {
  const text = readFileSync(`examples/recipes/${id}.lathe.json`, "utf8");
  const { entries } = JSON.parse(text) as { entries: readonly Entry[] };
  return entries.slice(-1);
};
/** A refusal names the technique, the model, a node or a tensor; anything else is a defect. */
async function runsOrIsRefused(...args: Parameters<typeof applied>): Promise<void> {
  try {
    await applied(...args);
  } catch (error) {
    if (!(error instanceof LatheError) || error.failure.code === "internal") throw error;
    assert.notEqual(error.failure.message, "");
    assert.ok((error.failure.hint ?? "") !== "", error.failure.message);
    if (ALL) console.log(`refused: ${error.failure.message}`);
  }
}
const nodes = (model: Model): number =>
  [...model.graphs.values()].reduce((sum, graph) => sum + graph.nodes.length, 0);

test("there are models to try", () => assert.ok(models.length >= 2));

/** Each run takes the same share of what is left. */
const GO_ON = new Set(["prune.channels"]);
/** Longer names take bytes. */
const GROWS = new Set(["edit.rename"]);

for (const file of models)
  for (const { meta } of transforms)
    test(`${meta.id} on ${path.basename(file)}`, { timeout: 600_000 }, () =>
      runsOrIsRefused(file, recipeOf(meta.id), async ({ file: result, again, added, changes }) => {
        const [change] = changes;
        assert.ok(change);
        if (change.units.length === 0)
          assert.ok(change.skipped.length > 0, "nothing was done and no reason given");
        for (const { name, reason } of change.skipped)
          assert.ok(name !== "" && reason.length > 8, JSON.stringify({ name, reason }));
        if (!GO_ON.has(meta.id)) assert.deepEqual(again, []);
        const verified = await verifyModel(result, path.resolve(file), UNHEARD);
        if (verified !== true)
          assert.match(verified.skipped, /^weights without a graph|^the input itself does not run/);
        // What takes no bytes away may add a few: the recipe, the operator set, a name.
        const allowed = added < 0 ? 0 : added + 4096;
        if (!GROWS.has(meta.id))
          assert.ok(statSync(result).size <= statSync(file).size + allowed, "the file grew");
      }),
    );

const chargpt = path.join(SHARED, "trained/chargpt_s_op17.onnx");
const skip = existsSync(chargpt) ? false : "the shared models are not there";
test("clean-up of a TorchScript export", { skip }, () =>
  applied(chargpt, [entry("graph.clean")], ({ model }) => {
    // 730 before; onnxslim 300, onnxruntime's own optimizer 289.
    assert.ok(nodes(model) <= 270, String(nodes(model)));
  }),
);
test("4 bit is no larger than onnxruntime's quantizer makes it", { skip }, () =>
  applied(chargpt, [entry("quantize.weightOnly")], ({ file }) => {
    assert.ok(statSync(file).size <= 724_920, String(statSync(file).size));
  }),
);
test("folding does not inflate weights made by ConstantOfShape", { skip }, () =>
  applied(
    path.join(SHARED, "third_party/light_resnet50.onnx"),
    [entry("graph.clean")],
    ({ file }) => assert.ok(statSync(file).size < 40_000),
  ),
);
