/** Memory of activations by liveness: what is alive while each node runs. */
import {
  graphKey,
  MAIN,
  nodeLabel,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../../core/model.ts";
import type { ShapeTable } from "../../../core/shapeInference.ts";
import { byteLength } from "../../../shared/dtype.ts";
import type { Skip } from "../../../shared/report.ts";

export interface Step {
  /** Bytes of what the node makes; null where a shape is not known. */
  readonly outputBytes: number | null;
  /** Bytes of all values that are alive while it runs, in its own graph and around it. */
  readonly aliveBytes: number;
}

export interface Liveness {
  /** By node label, all graphs. */
  readonly steps: ReadonlyMap<string, Step>;
  readonly peak: { readonly bytes: number; readonly node: string } | null;
  /** Bytes alive while each node of the main graph runs, in order. */
  readonly curve: readonly number[];
  readonly unknown: readonly Skip[];
}

/** A body that contains itself must not recurse. */
const MAX_DEPTH = 16;

export function liveness(model: Model, shapes: ShapeTable): Liveness {
  const steps = new Map<string, Step>();
  const unknown: Skip[] = [];
  const curve: number[] = [];
  let peak: { bytes: number; node: string } | null = null;

  const bytesOf = (path: GraphPath, name: string): number | null => {
    const shape = shapes.shapeOf(path, name);
    const type = shapes.dtypeOf(path, name);
    if (!shape || !type || !shape.every((dim) => typeof dim === "number")) return null;
    return byteLength(
      type,
      shape.reduce((a, b) => a * b, 1),
    );
  };

  /** Walks a graph with `around` bytes alive outside; gives the most that was alive. */
  function walk(path: GraphPath, around: number, depth: number): number {
    const graph = model.graphs.get(graphKey(path));
    if (!graph || depth > MAX_DEPTH) return around;
    const last = lastUses(model, graph);
    const alive = new Map<string, number>();
    let total = around;
    const begin = (name: string): number | null => {
      const bytes = bytesOf(path, name);
      alive.set(name, bytes ?? 0);
      total += bytes ?? 0;
      return bytes;
    };
    for (const name of graph.inputs) if (!graph.tensors.has(name)) begin(name);
    let most = total;
    graph.nodes.forEach((node, index) => {
      if (node.op === "Constant") return;
      const outputs = node.outputs.filter((name) => name !== "").map(begin);
      const known = outputs.every((bytes) => bytes !== null);
      const label = nodeLabel(path, node);
      if (!known) unknown.push({ name: label, reason: "the size of what it makes is not known" });
      let here = total;
      for (const body of bodiesOf(node)) here = Math.max(here, walk(body, total, depth + 1));
      steps.set(label, {
        outputBytes: known ? outputs.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0) : null,
        aliveBytes: here,
      });
      if (path.length === 0) curve.push(here);
      if (here > (peak?.bytes ?? -1)) peak = { bytes: here, node: label };
      most = Math.max(most, here);
      for (const name of [...node.inputs, ...node.outputs]) {
        const bytes = alive.get(name);
        if (bytes === undefined || (last.get(name) ?? -1) > index) continue;
        alive.delete(name);
        total -= bytes;
      }
    });
    return most;
  }

  walk(MAIN, 0, 0);
  return { steps, peak, curve, unknown };
}

/** Index of the last node that reads each name, bodies of its subgraphs included; outputs live on. */
function lastUses(model: Model, graph: Graph): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const name of readsOf(model, node, 0)) last.set(name, index);
  });
  for (const name of graph.outputs) last.set(name, Infinity);
  return last;
}

function readsOf(model: Model, node: GraphNode, depth: number): readonly string[] {
  if (depth > MAX_DEPTH) return [];
  const inner = bodiesOf(node).flatMap((path) => {
    const graph = model.graphs.get(graphKey(path));
    return graph
      ? [...graph.outputs, ...graph.nodes.flatMap((one) => readsOf(model, one, depth + 1))]
      : [];
  });
  return [...node.inputs, ...inner];
}

const bodiesOf = (node: GraphNode): readonly GraphPath[] =>
  Object.values(node.attrs).flatMap((attr) => (attr.kind === "graph" ? [attr.path] : []));
