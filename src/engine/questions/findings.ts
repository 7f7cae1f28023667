/** What a person should know before changing a model: worked out from its structure alone. */
import { functionsOf } from "../../core/functions.ts";
import { nodeLabel, type Graph, type GraphNode, type Model } from "../../core/model.ts";
import { inferShapes, type ShapeTable } from "../../core/shapeInference.ts";
import { byteLength, elementCount } from "../../shared/dtype.ts";
import { formatBytes } from "../../shared/format.ts";
import { opName } from "./nodes.ts";
import { isQuantizedOp } from "../../core/parameters.ts";

/** Operators of early ONNX that were withdrawn; onnxruntime still runs them, converters do not. */
const WITHDRAWN = new Set([
  "ATen",
  "Affine",
  "Crop",
  "DynamicSlice",
  "GRUUnit",
  "GivenTensorFill",
  "ImageScaler",
  "ParametricSoftplus",
  "Scale",
  "ScaledTanh",
]);
/** Domains whose operators onnxruntime brings along. */
const RUNTIME_DOMAINS = new Set(["", "ai.onnx", "ai.onnx.ml", "com.microsoft"]);
/** A generated tensor larger than this is a weight that was left out, not a helper constant. */
const MIN_GENERATED_BYTES = 4096;

export function findings(model: Model): string[] {
  const nodes = [...model.graphs.values()].flatMap((graph) =>
    graph.nodes.map((node) => ({ graph, node })),
  );
  const functionOf = functionsOf(model);
  const custom = ({ node }: Placed): boolean =>
    !RUNTIME_DOMAINS.has(node.domain) && !functionOf(node);
  return [
    counted(
      nodes.filter(({ node }) => isQuantizedOp(node.op)),
      "Already quantized",
    ),
    counted(
      nodes.filter(custom),
      "Custom operators, which onnxruntime runs only with their own library",
    ),
    counted(
      nodes.filter(({ node }) => node.domain === "" && WITHDRAWN.has(node.op)),
      "Experimental operators withdrawn from ONNX; the opset of this model cannot be changed",
    ),
    generatedWeights(nodes, () => inferShapes(model)),
  ].filter((finding) => finding !== null);
}

interface Placed {
  readonly graph: Graph;
  readonly node: GraphNode;
}

function counted(nodes: readonly Placed[], what: string): string | null {
  const counts = new Map<string, number>();
  for (const { node } of nodes) counts.set(opName(node), (counts.get(opName(node)) ?? 0) + 1);
  if (counts.size === 0) return null;
  const list = [...counts].sort((a, b) => b[1] - a[1]).map(([op, count]) => `${count} ${op}`);
  const more = list.length > 8 ? ` and ${list.length - 8} other operators` : "";
  return `${what}: ${list.slice(0, 8).join(", ")}${more}.`;
}

function generatedWeights(nodes: readonly Placed[], shapesOf: () => ShapeTable): string | null {
  let [count, bytes, first] = [0, 0, ""];
  for (const { graph, node } of nodes) {
    if (node.op !== "ConstantOfShape" || node.domain !== "") continue;
    const output = node.outputs[0] ?? "";
    const shapes = shapesOf();
    const shape = shapes.shapeOf(graph.path, output);
    const type = shapes.dtypeOf(graph.path, output);
    if (type?.kind !== "float" || !shape?.every((dim) => typeof dim === "number")) continue;
    const size = byteLength(type, elementCount(shape)) ?? 0;
    if (size < MIN_GENERATED_BYTES) continue;
    if (count === 0) first = nodeLabel(graph.path, node);
    count++;
    bytes += size;
  }
  if (count === 0) return null;
  return `${count} constant tensors (${formatBytes(bytes)} when loaded) are made by ConstantOfShape nodes such as "${first}" and take no space in the file.`;
}
