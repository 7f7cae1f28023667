/** A window of the list of all nodes, subgraphs included, in graph order. */
import { graphKey, nodeKey, nodeLabel, type Model } from "../../core/model.ts";
import type { Answer, Params, Queries } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";
import { fitting, matches } from "./answer.ts";

type Row = Answer<Queries, "nodes">["rows"][number];

export async function nodes(
  { doc, from, to, filter }: Params<Queries, "nodes">,
  env: EngineEnv,
  task: Task,
): Promise<Answer<Queries, "nodes">> {
  const { model } = await env.open(doc, task);
  const rows = allNodes(model).filter((row) => matches(filter, row.label, row.op, row.key));
  return { total: rows.length, rows: fitting(rows.slice(Math.max(0, from), Math.max(0, to))) };
}

const lists = new WeakMap<Model, readonly Row[]>();

function allNodes(model: Model): readonly Row[] {
  const known = lists.get(model);
  if (known) return known;
  const rows = [...model.graphs.values()].flatMap((graph) =>
    graph.nodes.map((node) => ({
      graph: graphKey(graph.path),
      key: nodeKey(node),
      label: nodeLabel(graph.path, node),
      op: opName(node),
    })),
  );
  lists.set(model, rows);
  return rows;
}

/** The operator, with its domain unless that is ONNX's own or onnxruntime's. */
export const opName = ({ domain, op }: { readonly domain: string; readonly op: string }): string =>
  domain === "" || domain === "ai.onnx" || domain === "com.microsoft" ? op : `${domain}.${op}`;
