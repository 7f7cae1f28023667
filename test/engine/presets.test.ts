/** Every preset for every runtime: onnxruntime loads and runs the file, and there is nothing in it that the runtime does not know. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Model } from "../../src/core/model.ts";
import { save } from "../../src/engine/jobs.ts";
import type { RecipeFile } from "../../src/shared/doc.ts";
import { presetsFor, TARGETS, type TargetId } from "../../src/shared/presets.ts";
import { writeCalibration } from "../helpers/calibration.ts";
import { docOf, testTools } from "../helpers/environment.ts";
import { onnxFromText } from "../helpers/graphText.ts";
import { tempFolder } from "../helpers/temp.ts";

const model = `opset 11
  input x float32 [2, 4, 8, 8]
  w1 = float32 [32, 4, 3, 3] normal * 0.2
  g1 = float32 [32] uniform
  b1 = float32 [32] normal
  m1 = float32 [32] normal
  v1 = float32 [32] ones
  w2 = float32 [64, 64] normal * 0.1
  w3 = float32 [64, 64] normal * 0.1
  to = int64 [2] [2, 2048]
  c3 = float32 [64] normal
  w0 = float32 [2048, 64] normal * 0.05
  a = Conv(x, w1) { pads: [1, 1, 1, 1] }
  n = BatchNormalization(a, g1, b1, m1, v1)
  r = Relu(n)
  f = Reshape(r, to)
  h = MatMul(f, w0)
  i = MatMul(h, w2)
  s = Sigmoid(i)
  y = Gemm(s, w3, c3)
  output y float32 [2, 64]`;

/** Domains that a runtime's files may use. */
const DOMAINS: Readonly<Record<TargetId, readonly string[]>> = {
  onnxruntime: ["", "com.microsoft"],
  openvino: [""],
  tensorrt: [""],
  qnn: [""],
  coreml: [""],
  web: ["", "com.microsoft"],
};
const opsOf = (found: Model): ReadonlySet<string> =>
  new Set([...found.graphs.values()].flatMap(({ nodes }) => nodes.map(({ op }) => op)));

for (const { id: target } of TARGETS)
  for (const preset of presetsFor(target))
    test(`${preset.id} for ${target} gives a file that runs`, async (t) => {
      const folder = tempFolder(t);
      const file = path.join(folder, "m.onnx");
      writeFileSync(file, onnxFromText(model));
      const data = await writeCalibration(file, folder, { samples: 8, symbol: 2, below: 2 });
      const tools = testTools(folder);
      const task = { signal: new AbortController().signal, progress: () => {} };
      const to = path.join(folder, "out.onnx");
      const saved = await save(
        tools,
        {
          doc: { ...docOf(file, ...preset.entries), data },
          to,
          options: {
            externalData: "auto",
            overwrite: false,
            verify: true,
            recipeFile: true,
            target,
          },
        },
        task,
      );
      assert.equal(saved.verified, true);
      assert.ok(
        saved.applied.at(-1)?.units.length,
        JSON.stringify(saved.applied.at(-1)?.skipped, null, 1),
      );
      const recipe = JSON.parse(readFileSync(`${to}.lathe.json`, "utf8")) as RecipeFile;
      assert.equal(recipe.target, target);
      const { model: result } = await tools.env.open(docOf(to));
      const used = new Set(
        [...result.graphs.values()].flatMap(({ nodes }) => nodes.map(({ domain }) => domain)),
      );
      for (const domain of used)
        assert.ok(DOMAINS[target].includes(domain), `${domain} in a file for ${target}`);
      if (target === "web" || target === "coreml") assert.ok(!opsOf(result).has("QuantizeLinear"));
    });
