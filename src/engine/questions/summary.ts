/** What is in a model, from its structure alone: no weight is read. */
import { costOf } from "../../core/cost.ts";
import { mainGraph, type Graph, type Model } from "../../core/model.ts";
import { moduleTree, outline } from "../../core/moduleTree.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { tensorTable } from "../../core/tensorTable.ts";
import { encodedSize, trainingSizes } from "../../formats/index.ts";
import type { Doc } from "../../shared/doc.ts";
import type { IoView, Params, Queries, Summary } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv, Materialized } from "../env.ts";
import { clip, fitting, ioView } from "./answer.ts";
import { findings } from "./findings.ts";
import { opName } from "./nodes.ts";
import { countParameters } from "../../core/parameters.ts";
import { largestFirst } from "./tensors.ts";
import { tensorRow } from "./tensorRow.ts";

const MAX_LARGEST = 10;
/** Lines of the outline of modules. */
const MAX_MODULES = 14;
const MAX_METADATA_CHARS = 4000;
const MAX_NAME_CHARS = 500;
const MAX_WARNINGS = 50;
/** A text of any length may stand in a file as a warning's name or value. */
const MAX_WARNING_CHARS = 1000;

export async function summary(
  { doc }: Params<Queries, "summary">,
  env: EngineEnv,
  task: Task,
): Promise<Summary> {
  const state = await env.open(doc, task);
  const { model } = state;
  const main = mainGraph(model);
  const graphs = [...model.graphs.values()];
  return {
    format: model.format,
    path: doc.base.path,
    sizeBytes: sizeOf(doc, state),
    files: fitting(
      state.base.files.map(({ path, sizeBytes, role }) => ({ path, sizeBytes, role })),
    ),
    producer: clip(model.producer, MAX_WARNING_CHARS),
    irVersion: model.irVersion,
    opsets: Object.fromEntries(model.opsets),
    nodes: main.nodes.length,
    nodesInSubgraphs:
      graphs.reduce((sum, graph) => sum + graph.nodes.length, 0) - main.nodes.length,
    tensors: tensorTable(model).entries.length,
    parameters: countParameters(model),
    bytesByDtype: bytesByDtype(model),
    functions: fitting(
      model.functions.map(({ domain, name, overload, nodes }) => ({
        domain: clip(domain, MAX_NAME_CHARS),
        name: clip(name, MAX_NAME_CHARS),
        overload: clip(overload, MAX_NAME_CHARS),
        nodes,
      })),
    ),
    training: fitting(trainingSizes(model)),
    opCounts: opCounts(graphs),
    inputs: ioViews(
      model,
      main,
      main.inputs.filter((name) => !main.tensors.has(name)),
    ),
    outputs: ioViews(model, main, main.outputs),
    macs: model.format === "onnx" ? costOf(model).macs : null,
    metadata: fitting(
      [...model.meta].map(([key, value]) => ({ key, value: clip(value, MAX_METADATA_CHARS) })),
    ),
    largest: fitting(
      largestFirst(model)
        .slice(0, MAX_LARGEST)
        .map((entry) => tensorRow(state, entry)),
    ),
    modules: fitting(
      outline(moduleTree(model), MAX_MODULES).map((row) => ({
        ...row,
        label: clip(row.label, 200),
      })),
    ),
    warnings: warnings(model),
  };
}

/** Bytes of the file with its external data; of a changed document, as it would be saved. */
export function sizeOf(doc: Doc, { model, base }: Materialized): number {
  const onDisk = base.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return doc.recipe.length === 0 ? onDisk : encodedSize(model);
}

function bytesByDtype(model: Model): Record<string, number> {
  const bytes: Record<string, number> = {};
  for (const { tensor } of tensorTable(model).entries)
    bytes[tensor.dtype.name] = (bytes[tensor.dtype.name] ?? 0) + tensor.sizeBytes;
  return bytes;
}

function opCounts(graphs: readonly Graph[]): { op: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const graph of graphs)
    for (const node of graph.nodes) counts.set(opName(node), (counts.get(opName(node)) ?? 0) + 1);
  return fitting(
    [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count),
  );
}

function ioViews(model: Model, main: Graph, names: readonly string[]): IoView[] {
  if (names.length === 0) return [];
  const shapes = inferShapes(model);
  return fitting(names.map((name) => ioView(shapes, main.path, name, main.values.get(name))));
}

function warnings(model: Model): string[] {
  const all = [...model.warnings, ...findings(model)].map((text) => clip(text, MAX_WARNING_CHARS));
  return all.length <= MAX_WARNINGS
    ? all
    : [...all.slice(0, MAX_WARNINGS), `… and ${all.length - MAX_WARNINGS} more findings.`];
}
