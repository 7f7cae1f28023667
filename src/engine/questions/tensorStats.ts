/** Figures of one tensor's values, read in chunks. */
import { tensorId, tensorTable } from "../../core/tensorTable.ts";
import { usageErrors } from "../../shared/errors.ts";
import type { Params, Queries, TensorStats } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";
import { statisticsOf, unmeasured } from "../statistics/tensorStats.ts";
import { packedBits } from "../../core/parameters.ts";

export async function tensorStats(
  { doc, graph, name }: Params<Queries, "tensorStats">,
  env: EngineEnv,
  task: Task,
): Promise<TensorStats> {
  const { model } = await env.open(doc, task);
  const entry = tensorTable(model).get(tensorId(graph, name));
  if (!entry) throw usageErrors.unknownTensor(doc.base.path, name);
  const { kind, name: type } = entry.tensor.dtype;
  if (kind === "string" || kind === "complex")
    return unmeasured(name, entry.tensor, `Values of type ${type} have no figures.`);
  return statisticsOf(env, name, entry.tensor, packedBits(model, entry.graph, name), task);
}
