/**
 * Every technique on real models, or on our own examples where the shared ones are not there: the
 * result is verified by running it, and doing it again changes nothing.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Model } from "../../src/core/model.ts";
import { createEnvironment, UNHEARD } from "../../src/engine/environment.ts";
import { createComputing } from "../../src/engine/computing.ts";
import { fingerprint } from "../../src/engine/files.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { verifyModel } from "../../src/engine/verify.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import type { Doc, Entry } from "../../src/shared/doc.ts";
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
const models = existsSync(SHARED)
  ? SAMPLE.map((file) => path.join(SHARED, file))
  : ["examples/images", "examples/text"].flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => /\.(onnx|safetensors)$/.test(file))
        .map((file) => path.join(folder, file)),
    );

async function applied(
  file: string,
  recipe: readonly Entry[],
  check: (result: {
    model: Model;
    file: string;
    again: readonly string[];
    /** Bytes of tensors that came. */
    added: number;
  }) => void | Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-test-"));
  try {
    const env = createEnvironment({
      scratch: openScratch(folder),
      kernels: loadKernels(),
      toolVersion: "test",
      computing: createComputing(1),
    });
    const base = (of: string): Doc["base"] => ({ path: of, fingerprint: fingerprint(of) });
    const needs = recipe.some(
      (e) => transforms.find((t) => t.meta.id === e.transform)?.meta.data !== "none",
    );
    const data: Pick<Doc, "data"> =
      needs && file.endsWith(".onnx")
        ? { data: await writeCalibration(file, folder, { samples: 4, symbol: 8, below: 4 }) }
        : {};
    const doc: Doc = { base: base(path.resolve(file)), recipe, ...data };
    const { model, changes } = await env.open(doc);
    const added = changes.reduce((sum, c) => sum + c.bytesAfter - c.bytesBefore, 0);
    const result = await env.fileFor(doc);
    const second = await env.open({ base: base(result), recipe, ...data });
    const again = second.changes.flatMap((change) => change.units.map((unit) => unit.name));
    await check({ model, file: result, again, added });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const entry = (transform: string, params: Entry["params"] = {}): Entry => ({ transform, params });
const nodes = (model: Model): number =>
  [...model.graphs.values()].reduce((sum, graph) => sum + graph.nodes.length, 0);

test("there are models to try", () => assert.ok(models.length >= 2));

/** Each run takes the same share of what is left. */
const GO_ON = new Set(["prune.channels"]);

for (const file of models)
  for (const { meta } of transforms)
    test(`${meta.id} on ${path.basename(file)}`, () =>
      applied(file, [entry(meta.id)], async ({ file: result, again, added }) => {
        if (!GO_ON.has(meta.id)) assert.deepEqual(again, []);
        const verified = await verifyModel(result, path.resolve(file), UNHEARD);
        if (verified !== true) assert.equal(verified.skipped, "weights without a graph");
        // What takes no bytes away may add a few: the recipe, the operator set, a name.
        const allowed = added < 0 ? 0 : added + 4096;
        assert.ok(statSync(result).size <= statSync(file).size + allowed, "the file grew");
      }));

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
