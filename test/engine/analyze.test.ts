/** The job `analyze`: several analyzers in one call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { analyze } from "../../src/engine/analyze.ts";
import { EngineError } from "../../src/shared/errors.ts";
import { docOf, testTools } from "../helpers/environment.ts";
import { modelFile, task, tempFolder } from "../helpers/temp.ts";

/** onnxruntime has no such operator. */
const CUSTOM = `
  input x float32 [2, 4]
  w = float32 [4, 3] normal
  q = my.domain.Quant(x)
  y = MatMul(q, w)
  output y float32 [2, 3]`;

test("an analyzer that cannot run says why, and the others answer", async (t) => {
  const folder = tempFolder(t);
  const tools = testTools(folder);
  const doc = docOf(modelFile(folder, CUSTOM));
  const call = (id: string) => ({ id, params: {} });
  const { reports } = await analyze(
    tools,
    { doc, calls: [call("cost.latency"), call("cost.model")], limit: null },
    task,
  );
  const [latency, cost] = reports;
  assert.equal(latency?.analyzer, "cost.latency");
  assert.deepEqual(latency?.rows, []);
  assert.match(latency?.skipped[0]?.reason ?? "", /onnxruntime does not load/);
  assert.ok((cost?.rows.length ?? 0) > 0);
  await assert.rejects(
    analyze(tools, { doc, calls: [call("cost.latency")], limit: null }, task),
    EngineError,
  );
});
