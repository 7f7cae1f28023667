/** Parts of real models, against what Python's onnx.utils.extract_model takes (peers/extract.json). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, describe, it } from "node:test";
import { mainGraph, type Model, type Tensor } from "../../src/core/model.ts";
import { beginTransaction } from "../../src/core/transaction.ts";
import { closeAllFiles, openModel, readRange } from "../../src/engine/files.ts";
import extract from "../../src/transforms/edit/extract.ts";
import peer from "../peers/extract.json" with { type: "json" };

const MODELS = path.resolve("../shared/models");
after(closeAllFiles);

const hashOf = (value: string | Uint8Array): string =>
  createHash("sha256").update(value).digest("hex");
const bytesOf = ({ at }: Tensor): Uint8Array => (at instanceof Uint8Array ? at : readRange(at));

async function part(model: Model, from: readonly string[], to: readonly string[]): Promise<Model> {
  const params = { from: from.join(","), to: to.join(",") };
  const { units, skipped } = extract.plan(model, params);
  const [unit] = units;
  assert.ok(unit, JSON.stringify(skipped));
  const tx = beginTransaction(model, { write: () => Promise.reject(new Error("nothing is new")) });
  await extract.apply(tx, unit, params, {} as never, undefined);
  return tx.finish();
}

/** As the reference writes it. Initializers are no inputs there, whatever the IR version. */
function canonical(model: Model): string {
  const { inputs, outputs, nodes, tensors } = mainGraph(model);
  return JSON.stringify({
    inputs: inputs.filter((name) => !tensors.has(name)),
    outputs,
    nodes: nodes.map(({ op, outputs: names }) => [op, names]),
    tensors: [...tensors]
      .map(([name, tensor]) => [name, hashOf(bytesOf(tensor)).slice(0, 16)])
      .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
  });
}

describe("parts of real models are those that onnx.utils.extract_model takes", () => {
  for (const { model: name, from, to, nodes, sha256 } of peer.cases) {
    const file = path.join(MODELS, name);
    const skip = existsSync(file) ? false : `${file} is not there`;
    it(`${name}: ${from.join()} → ${to.join()}`, { skip }, async () => {
      const result = await part(openModel(file), from, to);
      assert.equal(mainGraph(result).nodes.length, nodes);
      assert.equal(hashOf(canonical(result)), sha256);
    });
  }
});
