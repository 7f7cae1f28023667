/** Everything that opening a file in the editor or `lathe inspect` does, on one file. */
import { graphKey, MAIN } from "../../src/core/model.ts";
import { tensorTable } from "../../src/core/tensorTable.ts";
import type { EngineEnv } from "../../src/engine/env.ts";
import { graph } from "../../src/engine/questions/graph.ts";
import { node } from "../../src/engine/questions/node.ts";
import { nodes } from "../../src/engine/questions/nodes.ts";
import { summary } from "../../src/engine/questions/summary.ts";
import { tensors } from "../../src/engine/questions/tensors.ts";
import { tensorStats } from "../../src/engine/questions/tensorStats.ts";
import { validate } from "../../src/engine/questions/validate.ts";
import { openModel } from "../../src/engine/files.ts";
import { encodeModel } from "../../src/formats/index.ts";
import { FormatError } from "../../src/shared/errors.ts";
import { docOf } from "../helpers/environment.ts";
import { task } from "../helpers/temp.ts";

/** Tensors and nodes looked at in each file, and how large a tensor may be. */
const LOOKS = 8;
const SMALL_BYTES = 64 * 1024;

/**
 * Null when the file was read, or was refused as it should be.
 * @returns what is wrong about how it went otherwise
 */
export async function openFully(env: EngineEnv, file: string): Promise<"read" | "refused" | Error> {
  let stage = "opening";
  try {
    openModel(file);
    const doc = docOf(file);
    const { model } = await env.open(doc, task);
    stage = "summary";
    await summary({ doc }, env, task);
    stage = "validate";
    await validate({ doc }, env, task);
    stage = "tensors";
    await tensors({ doc, from: 0, to: 50, sort: "size", descending: true, filter: "" }, env, task);
    for (const entry of tensorTable(model).entries.slice(0, LOOKS)) {
      stage = `figures of "${entry.name}"`;
      if (entry.tensor.sizeBytes <= SMALL_BYTES)
        await tensorStats({ doc, graph: graphKey(entry.graph.path), name: entry.name }, env, task);
    }
    stage = "nodes";
    const { rows } = await nodes({ doc, from: 0, to: LOOKS, filter: "" }, env, task);
    for (const row of rows) {
      stage = `node "${row.key}"`;
      await node({ doc, graph: row.graph, key: row.key }, env, task);
    }
    stage = "graph";
    if (model.format === "onnx")
      await graph(
        { doc, graph: graphKey(MAIN), open: "auto", fold: true, reveal: null, part: 0 },
        env,
        task,
      );
    stage = "writing";
    if (model.files.some(({ role }) => role === "shard")) return "read";
    encodeModel(model, { externalData: "auto", dataName: "m.00000000.data" });
    return "read";
  } catch (error) {
    if (error instanceof FormatError && error.failure.where !== undefined && error.failure.hint)
      return "refused";
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new Error(`${stage}: ${text}`);
  }
}
