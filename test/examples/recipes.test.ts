/** Every recipe of the examples, applied to both models by the command line: it runs, and quality holds. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { workplace } from "../cli/lathe.ts";

const RECIPES = "examples/recipes";
const MODELS = {
  text: { file: "chars.onnx", metric: "perplexity", value: 1.6838 },
  images: { file: "shapes.onnx", metric: "top1", value: 0.9511 },
} as const;
type ModelName = keyof typeof MODELS;

/** Outputs stay the same but for float rounding; the recipe comes into the file. */
const EXACT = { text: { loss: 0.0002, bytes: 1.02 }, images: { loss: 0.002, bytes: 1.02 } };

/**
 * Largest relative loss of the metric, and largest share of the bytes, that a recipe may cost:
 * a little more than measured, for other processors round differently.
 */
const BOUNDS: Readonly<
  Record<string, Readonly<Record<ModelName, { loss: number; bytes: number }>>>
> = {
  "edit.extract": EXACT,
  "edit.metadata": EXACT,
  "edit.rename": EXACT,
  "graph.foldBatchNorm": EXACT,
  "graph.upgradeOpset": EXACT,
  "quantize.equalize": EXACT,
  "share.deduplicate": EXACT,
  // A file that hardly shrinks still gains the recipe in its metadata.
  "graph.clean": { text: { loss: 0.0002, bytes: 1 }, images: { loss: 0.002, bytes: 1.01 } },
  "lowrank.svd": { text: { loss: 0.014, bytes: 0.82 }, images: { loss: 0.005, bytes: 1 } },
  "prune.channels": { text: { loss: 0.03, bytes: 0.86 }, images: { loss: 0.03, bytes: 0.79 } },
  // Half of the weights gone and nothing put right: what the repairs below start from.
  "prune.magnitude": { text: { loss: 0.16, bytes: 1.01 }, images: { loss: 0.45, bytes: 1.01 } },
  "repair.batchNorm": { text: { loss: 0.16, bytes: 1.01 }, images: { loss: 0.26, bytes: 1.01 } },
  "repair.bias": { text: { loss: 0.16, bytes: 1.01 }, images: { loss: 0.42, bytes: 1.02 } },
  "repair.leastSquares": { text: { loss: 0.02, bytes: 1.01 }, images: { loss: 0.02, bytes: 1.01 } },
  "quantize.dynamic": { text: { loss: 0.01, bytes: 0.5 }, images: { loss: 0.01, bytes: 1.01 } },
  "quantize.float16": { text: { loss: 0.001, bytes: 0.55 }, images: { loss: 0.005, bytes: 0.6 } },
  "quantize.static": { text: { loss: 0.01, bytes: 0.5 }, images: { loss: 0.02, bytes: 0.5 } },
  "quantize.weightOnly": {
    text: { loss: 0.008, bytes: 0.25 },
    images: { loss: 0.01, bytes: 1.01 },
  },
};

const here = workplace();

async function json(...args: string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await here.lathe(...args, "--json");
  assert.equal(code, 0, stderr || stdout);
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}
const evaluate = async (name: ModelName, file: string): Promise<number> => {
  const data = path.resolve(`examples/${name}/dataset.json`);
  const answer = await json("eval", file, "--data", data);
  assert.equal(answer["metric"], MODELS[name].metric);
  return Number(answer["value"]);
};
/** How much worse, relative to before; below 0 when it is better. */
const lossOf = (metric: string, before: number, after: number): number =>
  metric === "perplexity" ? after / before - 1 : (before - after) / before;

describe("the example models are as good as their README says", () => {
  for (const name of Object.keys(MODELS) as ModelName[])
    it(name, async () => {
      const { file, metric, value } = MODELS[name];
      const measured = await evaluate(name, path.resolve(`examples/${name}/${file}`));
      assert.ok(Math.abs(lossOf(metric, value, measured)) < 0.002, `${measured}, not ${value}`);
    });
});

for (const recipe of readdirSync(RECIPES).sort()) {
  const id = recipe.replace(/\.lathe\.json$/, "");
  describe(`the recipe of ${id}`, () => {
    for (const name of Object.keys(MODELS) as ModelName[])
      it(`works on the ${name} model`, async () => {
        const bounds = BOUNDS[id]?.[name];
        assert.ok(bounds, `say what ${id} may cost in ${path.basename(import.meta.filename)}`);
        const { file, metric, value } = MODELS[name];
        const input = path.resolve(`examples/${name}/${file}`);
        const output = path.join(here.folder, `${name}.${id}.onnx`);
        const applied = await json(
          "apply",
          input,
          path.resolve(RECIPES, recipe),
          "-o",
          output,
          "--data",
          path.resolve(`examples/${name}/dataset.json`),
        );
        assert.equal(applied["verified"], true);
        assert.ok(existsSync(`${output}.lathe.json`));
        const ratio = statSync(output).size / statSync(input).size;
        assert.ok(ratio <= bounds.bytes, `${ratio} of the bytes`);
        const loss = lossOf(metric, value, await evaluate(name, output));
        assert.ok(loss <= bounds.loss, `${metric} is worse by ${loss}`);
      });
  });
}
