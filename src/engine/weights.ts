/**
 * The weights of an ONNX model as a model of tensors, and back by name. Tensors are places in files, so
 * nothing is read here. What safetensors has no type for is packed: its bytes as U8, its type and
 * shape in the metadata.
 */
import { graphKey, type Graph, type Model, type Tensor } from "../core/model.ts";
import { isConstant, tensorTable, type TensorEntry } from "../core/tensorTable.ts";
import { tensorsModel } from "../formats/index.ts";
import { dtype, DTYPES, elementCount, type Dtype } from "../shared/dtype.ts";
import { structureErrors } from "../shared/errors.ts";
import { formatShape } from "../shared/format.ts";
import type { Skip } from "../shared/report.ts";

/** Metadata of a packed tensor: "lathe.packed.NAME": "int4 [64, 32]". */
const PACKED = "lathe.packed.";
/** Integers of Constant nodes below this are shapes and axes rather than weights. */
const MIN_CONSTANT_BYTES = 1024;

/** Initializers, and what exporters leave in Constant nodes: vectors and larger, of floats, or large. */
const isWeight = ({ node, tensor }: TensorEntry): boolean =>
  node === null ||
  (isConstant(node) &&
    (tensor.sizeBytes >= MIN_CONSTANT_BYTES ||
      (tensor.dtype.kind === "float" && elementCount(tensor.shape) > 1)));

/** A weight of a body is known by the way into it. */
const nameOf = ({ graph, name }: TensorEntry): string => [...graph.path, name].join("/");

/** The weights of all graphs, in file order, with the model's metadata. */
export function weightsOf(model: Model): { readonly model: Model; readonly skipped: Skip[] } {
  const tensors: Tensor[] = [];
  const skipped: Skip[] = [];
  const meta = new Map(model.meta);
  const taken = new Set<string>();
  for (const entry of tensorTable(model).entries.filter(isWeight)) {
    const name = nameOf(entry);
    const { dtype: type, shape, at, sizeBytes } = entry.tensor;
    if (type.kind === "string") {
      skipped.push({ name, reason: "safetensors has no text" });
      continue;
    }
    if (taken.has(name) || name === "__metadata__") {
      skipped.push({ name, reason: "its name is taken" });
      continue;
    }
    taken.add(name);
    if (isStorable(type, shape)) {
      tensors.push({ name, dtype: type, shape, at, sizeBytes });
      continue;
    }
    meta.set(PACKED + name, `${type.name} ${formatShape(shape)}`);
    tensors.push({ name, dtype: dtype("uint8"), shape: [sizeBytes], at, sizeBytes });
  }
  return { model: tensorsModel(tensors, meta, model.files), skipped };
}

/** safetensors has the type, and the values fill whole bytes. */
const isStorable = (type: Dtype, shape: readonly number[]): boolean =>
  type.safetensors !== null && (elementCount(shape) * type.bits) % 8 === 0;

export interface WeightsTaken {
  readonly model: Model;
  readonly replaced: number;
  /** Weights the file has and the model does not, and weights of the model that the file leaves alone. */
  readonly skipped: readonly Skip[];
}

/**
 * The ONNX model with the values of `weights` wherever a name agrees.
 * @throws FormatError where a type or a shape differs, and where no name agrees.
 */
export function withWeights(model: Model, weights: Model): WeightsTaken {
  const entries = tensorTable(model).entries.filter(isWeight);
  const homes = new Map(entries.map((entry) => [nameOf(entry), entry]));
  const skipped: Skip[] = [];
  const differing: string[] = [];
  const fresh = new Map<Tensor, Tensor>();
  for (const { name, tensor } of tensorTable(weights).entries) {
    const home = homes.get(name);
    if (!home) {
      skipped.push({ name, reason: "the model has no weight of this name" });
      continue;
    }
    const [is, was] = [typeText(tensor, weights.meta.get(PACKED + name)), typeText(home.tensor)];
    if (is !== was) differing.push(`${name} is ${is}, not ${was}`);
    else fresh.set(home.tensor, { ...home.tensor, at: tensor.at, sizeBytes: tensor.sizeBytes });
  }
  const [path = "", other = ""] = [weights.files[0]?.path, model.files[0]?.path];
  if (differing.length > 0) throw structureErrors.otherTensors(path, other, differing);
  if (fresh.size === 0)
    throw structureErrors.noSharedNames(
      path,
      other,
      skipped[0]?.name ?? "",
      entries[0]?.name ?? "",
    );
  for (const entry of entries)
    if (!fresh.has(entry.tensor))
      skipped.push({
        name: nameOf(entry),
        reason: "the weights have no tensor of this name; it stays",
      });
  const graphs = new Map(
    [...model.graphs].map(([key, graph]): [string, Graph] => [key, withTensors(graph, fresh)]),
  );
  // So that saving knows which files the result is made of.
  const files = weights.files.map((file) => ({ ...file, role: "external" as const }));
  return {
    model: { ...model, graphs, files: [...model.files, ...files] },
    replaced: fresh.size,
    skipped,
  };
}

const withTensors = (graph: Graph, fresh: ReadonlyMap<Tensor, Tensor>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => {
    const value = isConstant(node) ? node.attrs["value"] : undefined;
    const other = value?.kind === "tensor" ? fresh.get(value.value) : undefined;
    return other
      ? { ...node, attrs: { ...node.attrs, value: { kind: "tensor", value: other } } }
      : node;
  }),
  tensors: new Map([...graph.tensors].map(([name, tensor]) => [name, fresh.get(tensor) ?? tensor])),
});

/** "float32 [2, 4]"; a packed tensor's as its metadata says, if that can be. */
function typeText({ dtype: type, shape, sizeBytes }: Tensor, packed?: string): string {
  const own = `${type.name} ${formatShape(shape)}`;
  if (packed === undefined || type.name !== "uint8") return own;
  const [, name, dims = ""] = /^(\w+) \[([\d, ]*)\]$/.exec(packed) ?? [];
  const real = DTYPES.find((one) => one.name === name);
  const elements = elementCount(dims === "" ? [] : dims.split(",").map(Number));
  return real && Math.ceil((elements * real.bits) / 8) === sizeBytes ? packed : own;
}

/** Every tensor by the name it is found by in both formats, for comparing files. */
export const tensorsByName = (model: Model): ReadonlyMap<string, Tensor> =>
  new Map(
    tensorTable(model).entries.map((entry) => [
      entry.node ? `${graphKey(entry.graph.path)} ${entry.name}` : nameOf(entry),
      entry.tensor,
    ]),
  );
