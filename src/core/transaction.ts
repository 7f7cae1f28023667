/**
 * Records what a technique does to a model, as steps, and keeps the model as it is after them.
 * Tensor bytes go straight to a sink (a scratch file in the engine), never into memory kept here.
 */
import { byteLength, elementCount, type Dtype } from "../shared/dtype.ts";
import { Draft } from "./draft.ts";
import {
  enclosingPaths,
  graphKey,
  nodeKey,
  type ByteRange,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";
import type { TensorData, Transaction } from "./plugin.ts";
import { inlineStep } from "./inlineBody.ts";
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
  const committed: Step[] = [];
  let steps: Step[] = [];
  const record = (step: Step): void => {
    draft.apply(step);
    steps.push(step);
  };
  const tx: RecordingTransaction = {
    get model() {
      return draft.freeze();
    },
    uniqueName: (graph, base) => uniqueName(draft, graph, base),
    async putTensor(graph, spec, data) {
      // Small values stay in memory, as in a file that was read: shapes are inferred from them.
      const expected = byteLength(spec.dtype, elementCount(spec.shape)) ?? 0;
      const small = expected <= INLINE_BYTES;
      const at = small ? await inMemory(data) : await sink.write(data);
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
      if (isUsed(draft, path, name)) return;
      const graph = enclosingPaths(path).find((outer) => draft.find(outer, name) !== null);
      const definition = graph ? draft.find(graph, name) : null;
      if (!graph || !definition) return;
      if ("sizeBytes" in definition) {
        record({ kind: "dropTensor", graph, name });
        return;
      }
      const { op, inputs, outputs } = definition;
      if (op !== "Constant" && op !== "Identity" && op !== "Transpose") return;
      if (outputs.some((output) => isUsed(draft, graph, output))) return;
      const remove = [nodeKey(definition)];
      record({ kind: "replaceNodes", graph, remove, insert: [], rewire: [] });
      for (const input of inputs) tx.dropIfUnused(graph, input);
    },
    replaceNodes: (graph, { remove, insert, rewire = [] }) =>
      record({ kind: "replaceNodes", graph, remove: remove.map(nodeKey), insert, rewire }),
    inlineBody: (graph, node, attr) =>
      record(
        inlineStep(draft.freeze(), graph, node, attr, (base) => uniqueName(draft, graph, base)),
      ),
    setAttr: (graph, node, attr, value) =>
      record({ kind: "setAttr", graph, node: nodeKey(node), attr, value }),
    setValue: (graph, name, value) => record({ kind: "setValue", graph, name, value }),
    setIo: (graph, inputs, outputs) => record({ kind: "setIo", graph, inputs, outputs }),
    rename: (graph, from, to) => record({ kind: "rename", graph, from, to }),
    removeFunction: (domain, name) =>
      record({ kind: "setFunction", graph: [], domain, name, body: null }),
    setOpset: (domain, version) => record({ kind: "setOpset", graph: [], domain, version }),
    needOpset(domain, version) {
      const current = draft.opset(domain);
      if (current === undefined || (domain !== "" && current < version))
        record({ kind: "setOpset", graph: [], domain, version });
    },
    setMeta: (key, value) => record({ kind: "setMeta", graph: [], key, value }),
    takeSteps() {
      const taken = steps;
      for (const step of taken) committed.push(step);
      steps = [];
      return taken;
    },
    rollback() {
      if (steps.length === 0) return;
      steps = [];
      // Rare enough to replay; a snapshot per unit would copy the graph for every layer.
      draft = new Draft(model);
      for (const step of committed) draft.apply(step);
    },
    finish() {
      draft.orderNodes();
      return draft.freeze();
    },
  };
  return tx;
}

async function inMemory(data: TensorData): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data.slice();
  const pieces: Uint8Array[] = [];
  for await (const piece of data) pieces.push(piece.slice());
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
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

/** Whether anything uses what `name` means in the graph at `path`. */
function isUsed(draft: Draft, path: GraphPath, name: string): boolean {
  if (draft.useCount(name) === 0) return false;
  // Graphs side by side may use one name for different values; then only a full look can tell.
  const { paths } = draft;
  if (paths.length === 1) return true;
  const scope = scopeOf(draft.freeze());
  const definition = scope.define(path, name);
  return definition !== null && scope.uses(definition.graph.path, name).length > 0;
}

/** Every name in the graph, the graphs around it and those inside it: ONNX forbids shadowing. */
function uniqueName(draft: Draft, path: GraphPath, base: string): string {
  const outer = new Set(enclosingPaths(path).map(graphKey));
  const related = draft.paths.filter(
    (other) => outer.has(graphKey(other)) || path.every((part, i) => other[i] === part),
  );
  const taken = (name: string): boolean => related.some((graph) => draft.hasName(graph, name));
  if (!taken(base)) return base;
  for (let i = 1; ; i++) if (!taken(`${base}_${i}`)) return `${base}_${i}`;
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
