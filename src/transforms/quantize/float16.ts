/**
 * Stores float32 weights as float16, half their bytes; a Cast gives the graph its float32 back.
 *
 * Every value is rounded to 11 significant bits, about 73 dB. onnxruntime folds the Casts when it
 * loads the model, so the file is smaller while memory and speed stay; activations and outputs keep
 * their type, and the model runs wherever it ran. In safetensors files the tensors themselves change
 * type. A tensor with values above 65504, or with so many tiny ones that the error is noticeable, is
 * skipped by name, and so are the scales of quantized weights.
 *
 * A CPU computes in float32 all the same. Runtimes that take the Casts away compute in float16, where
 * a layer may overflow though its weights fit: with calibration data, layers whose activations leave
 * float16's range stay float32 by name.
 *
 * Micikevicius et al. 2018, Mixed precision training (arXiv:1710.03740).
 */
import type { WorkContext } from "../../core/context.ts";
import type { Graph, GraphNode, GraphPath, Model, Tensor } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { valuesOf } from "../../core/rows.ts";
import { scopeOf } from "../../core/scope.ts";
import { dtype, elementCount } from "../../shared/dtype.ts";
import { choice, number } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import { beyondHalf, MAX_FLOAT16 } from "./lib/halfRange.ts";

interface HalfUnit extends Unit {
  /** Initializer's name, or the output of the Constant node that holds the tensor. */
  readonly value: string;
}

/** The Cast that a converted tensor needs takes 60 bytes and more. */
const MIN_BYTES = 1024;

export default defineTransform({
  meta: {
    id: "quantize.float16",
    title: "Store weights as float16",
    summary:
      "Stores float32 weights as float16, half their bytes, where ranges allow it; a CPU computes in float32 as before.",
    papers: ["arXiv:1710.03740"],
    formats: ["onnx", "safetensors"],
    ops: "any",
    data: "optional",
    cost: "seconds",
    exact: false,
    warnings: [
      "The file gets smaller, not the memory: onnxruntime makes float32 of the weights when it loads the model.",
      "No speed-up on CPU: it computes in float32.",
    ],
    covers: ["quant-fp16-bf16", "fp16-range-check"],
    version: 2,
    suffix: "fp16",
    api: 1,
    needsRuntime: false,
    params: {
      leastDb: number({
        title: "Least accuracy of a tensor",
        help: "Tensors whose signal-to-error ratio would fall below this stay float32; ordinary weights reach 73 dB.",
        default: 60,
        min: 20,
        max: 70,
        unit: "dB",
      }),
      overflow: choice({
        title: "Layers that would overflow",
        help: "Where there is calibration data: keep the weights of layers float32 whose inputs or outputs are beyond 65504, for runtimes that compute in float16; or look at the weights alone.",
        of: ["keep", "ignore"],
        default: "keep",
      }),
    },
  },

  plan(model) {
    const units: HalfUnit[] = [];
    const skipped: Skip[] = [];
    let small = 0;
    for (const graph of model.graphs.values())
      for (const { value, tensor, node } of floatTensors(graph)) {
        if (tensor.sizeBytes < MIN_BYTES && model.format === "onnx") {
          small++;
          continue;
        }
        const name = [...graph.path, value].join("/");
        const reason = refusal(model, graph, value);
        if (reason !== null) skipped.push({ name, reason });
        else
          units.push({
            name,
            value,
            graph: graph.path,
            nodes: node ? [node] : [],
            tensors: [tensor],
            sizeBefore: tensor.sizeBytes,
            sizeAfter: exactSize(tensor.sizeBytes / 2),
            detail: `[${tensor.shape.join(", ")}] float32 → float16`,
          });
      }
    if (small > 0)
      skipped.push({
        name: "small tensors",
        reason: `${small} tensors under ${MIN_BYTES} bytes stay float32: the Cast that each needs takes about as much`,
      });
    return { units, skipped };
  },

  async prepare(model, units, { overflow }, ctx): Promise<ReadonlyMap<string, string>> {
    if (ctx.data === null || model.format !== "onnx" || overflow === "ignore") return new Map();
    const reasons = await beyondHalf(ctx, model, units);
    return new Map(
      units.flatMap(({ name }, i) => {
        const reason = reasons[i];
        return reason ? [[name, reason]] : [];
      }),
    );
  },

  async apply(tx, unit, { leastDb }, ctx, kept) {
    const [tensor] = unit.tensors;
    if (!tensor) return undefined;
    const { graph, value, name } = unit;
    const overflows = kept.get(name);
    if (overflows !== undefined) return { name, reason: overflows };
    const inGraph = tx.model.format === "onnx";
    const error = { signal: 0, noise: 0, largest: 0 };
    const stored = inGraph ? tx.uniqueName(graph, `${value}_h`) : value;
    const spec = { name: stored, dtype: FLOAT16, shape: tensor.shape };
    await tx.putTensor(graph, spec, halves(tensor, ctx, error));
    if (!(error.largest <= MAX_FLOAT16)) return { name, reason: tooLarge(error.largest) };
    const db = 10 * Math.log10(error.signal / error.noise);
    if (error.noise > 0 && db < leastDb)
      return {
        name,
        reason: `${db.toFixed(1)} dB would be left of it, less than ${leastDb}: its values (at most ${error.largest.toPrecision(3)}) are too small for float16`,
      };
    if (!inGraph) return undefined;
    // The Cast's output takes the tensor's name, so no use of it changes.
    const [held] = unit.nodes;
    if (!held) tx.dropTensor(graph, value);
    tx.replaceNodes(graph, {
      remove: held ? [held] : [],
      insert: [
        {
          name: "",
          op: "Cast",
          domain: "",
          inputs: [stored],
          outputs: [value],
          attrs: { to: { kind: "int", value: FLOAT32.onnx ?? 1 } },
        },
      ],
    });
    return undefined;
  },
});

const FLOAT16 = dtype("float16");
const FLOAT32 = dtype("float32");

function* floatTensors(
  graph: Graph,
): Generator<{ readonly value: string; readonly tensor: Tensor; readonly node: GraphNode | null }> {
  for (const [value, tensor] of graph.tensors)
    if (tensor.dtype.name === "float32") yield { value, tensor, node: null };
  for (const node of graph.nodes) {
    const held = node.attrs["value"];
    const value = node.outputs[0] ?? "";
    if (node.op === "Constant" && held?.kind === "tensor" && value !== "")
      if (held.value.dtype.name === "float32") yield { value, tensor: held.value, node };
  }
}

/** Inputs from this one on are scales and the like, which quantized kernels want as they are. */
const SCALES_FROM: ReadonlyMap<string, number> = new Map([
  ["DequantizeLinear", 1],
  ["QuantizeLinear", 1],
  ["MatMulNBits", 1],
  ["MatMulBnb4", 1],
  ["GatherBlockQuantized", 1],
  ["QLinearConv", 0],
  ["QLinearMatMul", 0],
  ["QGemm", 0],
]);

function refusal(model: Model, graph: Graph, value: string): string | null {
  if (model.irVersion >= 4 && graph.inputs.includes(value))
    return "it is also a graph input, so a caller may replace it (graph.clean can fix it)";
  const path: GraphPath = graph.path;
  for (const { node, input } of scopeOf(model).uses(path, value)) {
    if (node === null) return "it is an output of the graph";
    const scales = SCALES_FROM.get(node.op);
    if (scales !== undefined && input >= scales)
      return `it holds scales of quantized values (${node.op}), which stay float32`;
  }
  return null;
}

const tooLarge = (largest: number): string =>
  Number.isFinite(largest)
    ? `its largest value ${largest.toPrecision(4)} is beyond float16's ${MAX_FLOAT16}`
    : "it has NaN or infinite values";

/** The tensor's values as float16, in pieces; the error is summed on the way. */
async function* halves(
  tensor: Tensor,
  ctx: WorkContext,
  error: { signal: number; noise: number; largest: number },
): AsyncGenerator<Uint8Array> {
  const count = elementCount(tensor.shape);
  for await (const { to, values } of valuesOf(ctx, tensor)) {
    const bytes = ctx.kernels.fromF32(FLOAT16, values);
    const back = ctx.kernels.toF32(FLOAT16, bytes, values.length);
    let { signal, noise, largest } = error;
    for (let i = 0; i < values.length; i++) {
      const x = values[i] ?? 0;
      const size = Math.abs(x);
      // NaN is not larger than anything: it must be looked for.
      if (size > largest || Number.isNaN(x)) largest = Number.isNaN(x) ? Infinity : size;
      signal += x * x;
      noise += (x - (back[i] ?? 0)) ** 2;
    }
    Object.assign(error, { signal, noise, largest });
    yield bytes;
    ctx.progress(to / count);
  }
}
