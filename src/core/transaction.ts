/**
 * Records what a technique does to a model, as steps, and keeps the model as it is after them.
 * Tensor bytes go straight to a sink (a scratch file in the engine), never into memory kept here.
 */
import { byteLength, elementCount, type Dtype } from "../shared/dtype.ts";
import { Draft } from "./draft.ts";
import {
  enclosingPaths,
  graphAt,
  graphKey,
  nodeKey,
  type ByteRange,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";
import type { TensorData, Transaction } from "./plugin.ts";
import { scopeOf } from "./scope.ts";
import type { Step } from "./step.ts";

/** Where new tensors' bytes go. */
export interface TensorSink {
  write(data: TensorData): Promise<ByteRange>;
}

/** Larger than any shape, axes or scalar; steps that hold such bytes stay short in the cache. */
const INLINE_BYTES = 2048;

export interface RecordingTransaction extends Transaction {
  /** The steps since the last call. */
  takeSteps(): Step[];
  /** Forgets the steps since the last `takeSteps`, and what they did. */
  rollback(): void;
  /** Puts nodes in a valid order; part of what replaying the steps does. */
  finish(): Model;
}

export function beginTransaction(model: Model, sink: TensorSink): RecordingTransaction {
  let draft = new Draft(model);
  let committed = model;
  let steps: Step[] = [];
  const record = (step: Step): void => {
    draft.apply(step);
    steps.push(step);
  };
  const tx: RecordingTransaction = {
    get model() {
      return draft.freeze();
    },
    uniqueName: (graph, base) => uniqueName(draft.freeze(), graph, base),
    async putTensor(graph, spec, data) {
      // Small values stay in memory, as in a file that was read: shapes are inferred from them.
      const small = data instanceof Uint8Array && data.length <= INLINE_BYTES;
      const at = small ? data.slice() : await sink.write(data);
      const sizeBytes = checkedSize(spec, at.length);
      record({
        kind: "putTensor",
        graph,
        tensor: { name: spec.name, dtype: spec.dtype.name, shape: spec.shape, at, sizeBytes },
      });
      return { ...spec, at, sizeBytes };
    },
    dropTensor: (graph, name) => record({ kind: "dropTensor", graph, name }),
    dropIfUnused(path, name) {
      const model = draft.freeze();
      const scope = scopeOf(model);
      const definition = scope.define(path, name);
      if (!definition || scope.uses(definition.graph.path, name).length > 0) return;
      const graph = definition.graph.path;
      if (definition.kind === "tensor") record({ kind: "dropTensor", graph, name });
      if (definition.kind !== "node") return;
      const { node } = definition;
      if (node.op !== "Constant" && node.op !== "Identity" && node.op !== "Transpose") return;
      if (node.outputs.some((o) => scope.uses(graph, o).length > 0)) return;
      record({
        kind: "replaceNodes",
        graph,
        remove: [nodeKey(node)],
        insert: [],
        rewire: [],
      });
      for (const input of node.inputs) tx.dropIfUnused(graph, input);
    },
    replaceNodes: (graph, { remove, insert, rewire = [] }) =>
      record({ kind: "replaceNodes", graph, remove: remove.map(nodeKey), insert, rewire }),
    setAttr: (graph, node, attr, value) =>
      record({ kind: "setAttr", graph, node: nodeKey(node), attr, value }),
    setValue: (graph, name, value) => record({ kind: "setValue", graph, name, value }),
    setIo: (graph, inputs, outputs) => record({ kind: "setIo", graph, inputs, outputs }),
    rename: (graph, from, to) => record({ kind: "rename", graph, from, to }),
    removeFunction: (domain, name) =>
      record({ kind: "setFunction", graph: [], domain, name, body: null }),
    setOpset: (domain, version) => record({ kind: "setOpset", graph: [], domain, version }),
    needOpset(domain, version) {
      const current = draft.freeze().opsets.get(domain);
      if (current === undefined || (domain !== "" && current < version))
        record({ kind: "setOpset", graph: [], domain, version });
    },
    setMeta: (key, value) => record({ kind: "setMeta", graph: [], key, value }),
    takeSteps() {
      const taken = steps;
      steps = [];
      committed = draft.freeze();
      return taken;
    },
    rollback() {
      steps = [];
      draft = new Draft(committed);
    },
    finish() {
      draft.orderNodes();
      return draft.freeze();
    },
  };
  return tx;
}

function checkedSize(
  spec: { readonly name: string; readonly dtype: Dtype; readonly shape: readonly number[] },
  written: number,
): number {
  const expected = byteLength(spec.dtype, elementCount(spec.shape));
  if (expected !== written)
    throw new Error(
      `tensor ${spec.name}: ${written} bytes written, ${spec.dtype.name} [${spec.shape.join(", ")}] has ${expected}`,
    );
  return written;
}

/** Every name in the graph, the graphs around it and those inside it: ONNX forbids shadowing. */
function uniqueName(model: Model, path: GraphPath, base: string): string {
  const taken = (name: string): boolean =>
    [...model.graphs.values()].some((graph) => {
      const related =
        enclosingPaths(path).some((outer) => graphKey(outer) === graphKey(graph.path)) ||
        path.every((part, i) => graph.path[i] === part);
      return related && namesOf(model, graph.path).has(name);
    });
  if (!taken(base)) return base;
  for (let i = 1; ; i++) if (!taken(`${base}_${i}`)) return `${base}_${i}`;
}

const namesByGraph = new WeakMap<object, Set<string>>();
function namesOf(model: Model, path: GraphPath): Set<string> {
  const graph = graphAt(model, path);
  let names = namesByGraph.get(graph);
  if (!names) {
    names = new Set([...graph.inputs, ...graph.tensors.keys()]);
    for (const node of graph.nodes) {
      if (node.name !== "") names.add(node.name);
      for (const output of node.outputs) names.add(output);
    }
    namesByGraph.set(graph, names);
  }
  return names;
}

/** Bytes of all initializers and attribute tensors, over all graphs. */
export function tensorBytes(model: Model): number {
  let total = 0;
  for (const graph of model.graphs.values()) {
    for (const tensor of graph.tensors.values()) total += tensor.sizeBytes;
    for (const node of graph.nodes)
      for (const attr of Object.values(node.attrs))
        if (attr.kind === "tensor") total += attr.value.sizeBytes;
  }
  return total;
}

export type { Tensor };
