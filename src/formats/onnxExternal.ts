/** Which tensors of a model go to its external data file, and where in it they lie. */
import type { Model, Tensor } from "../core/model.ts";
import type { Piece } from "./byteSource.ts";
import type { EncodedFile, ExternalData } from "./encoding.ts";
import { originOf } from "./onnxOrigin.ts";

/** As the ONNX tools do: smaller ones cost more in bookkeeping than they save. */
const MIN_EXTERNAL_BYTES = 1024;

export interface Placement {
  readonly offset: number;
  readonly length: number;
}
export interface ExternalPlan {
  readonly places: ReadonlyMap<Tensor, Placement>;
  /** Null when nothing is external. */
  readonly file: EncodedFile | null;
}

/**
 * onnx.proto asks for page alignment so that data can be mapped; Windows maps at 64 KiB. Small
 * tensors would waste more than they are worth, and are never mapped on their own.
 */
const alignmentOf = (sizeBytes: number): number =>
  sizeBytes >= 1024 * 1024 ? 65536 : sizeBytes >= 16 * 1024 ? 4096 : 64;

export function planExternal(model: Model, mode: ExternalData, dataName: string): ExternalPlan {
  const places = new Map<Tensor, Placement>();
  if (mode === "never") return { places, file: null };
  const wasExternal = (tensor: Tensor): boolean =>
    originOf(tensor, "onnx tensor")?.external === true;
  const candidates = candidatesOf(model);
  const usesExternal = candidates.some(({ tensor }) => wasExternal(tensor));
  const pieces: Piece[] = [];
  /** Tensors that share bytes go on sharing them. */
  const shared = new Map<string, Placement>();
  let end = 0;
  for (const { tensor, isInitializer } of candidates) {
    if (tensor.dtype.kind === "string" || tensor.sizeBytes === 0) continue;
    const isLarge = isInitializer && tensor.sizeBytes >= MIN_EXTERNAL_BYTES;
    const isNew = originOf(tensor, "onnx tensor") === null;
    const goes = wasExternal(tensor) || (isLarge && (mode === "always" || (usesExternal && isNew)));
    if (!goes || places.has(tensor)) continue;
    const { at } = tensor;
    const key = at instanceof Uint8Array ? null : `${at.offset} ${at.length} ${at.file}`;
    const known = key === null ? undefined : shared.get(key);
    if (known) {
      places.set(tensor, known);
      continue;
    }
    const alignment = alignmentOf(at.length);
    const offset = Math.ceil(end / alignment) * alignment;
    if (offset > end) pieces.push(new Uint8Array(offset - end));
    pieces.push(at);
    end = offset + at.length;
    const place = { offset, length: at.length };
    places.set(tensor, place);
    if (key !== null) shared.set(key, place);
  }
  const file: EncodedFile | null =
    places.size === 0 ? null : { role: "external", name: dataName, sizeBytes: end, pieces };
  return { places, file };
}

/** Constants in nodes stay in the model unless they were external: not every runtime looks there. */
function candidatesOf(model: Model): { tensor: Tensor; isInitializer: boolean }[] {
  const out: { tensor: Tensor; isInitializer: boolean }[] = [];
  for (const graph of model.graphs.values()) {
    for (const tensor of graph.tensors.values()) out.push({ tensor, isInitializer: true });
    for (const node of graph.nodes)
      for (const attr of Object.values(node.attrs))
        if (attr.kind === "tensor") out.push({ tensor: attr.value, isInitializer: false });
  }
  return out;
}
