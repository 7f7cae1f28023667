/** Which tensors of a model go to external data files, and where in them they lie. */
import type { Model, Tensor } from "../core/model.ts";
import type { Piece } from "./byteSource.ts";
import type { EncodedFile, EncodeOptions, ExternalData, KeptFile } from "./encoding.ts";
import { hiddenExternals } from "./onnxHidden.ts";
import { originOf } from "./onnxOrigin.ts";

/** As the ONNX tools do: smaller ones cost more in bookkeeping than they save. */
const MIN_EXTERNAL_BYTES = 1024;

export interface Placement {
  /** Name of the data file. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** It lies where it lay, in a file of which nothing changed. */
  readonly isKept: boolean;
  /** To be stated of tensors that had one stated; null where the file is what it was, or none is known. */
  readonly checksum: string | null;
}
export interface ExternalPlan {
  readonly places: ReadonlyMap<Tensor, Placement>;
  /** Empty when nothing is external. */
  readonly files: readonly EncodedFile[];
}

/**
 * onnx.proto asks for page alignment so that data can be mapped; Windows maps at 64 KiB. Small
 * tensors would waste more than they are worth, and are never mapped on their own.
 */
const alignmentOf = (sizeBytes: number): number =>
  sizeBytes >= 1024 * 1024 ? 65536 : sizeBytes >= 16 * 1024 ? 4096 : 64;

/** The tensors of one data file to be. */
interface Group {
  /** The file they are in now; null for those that are new, or in several. */
  readonly home: KeptFile | null;
  readonly tensors: Tensor[];
}

/**
 * `auto` keeps the files a model has: a file none of whose tensors changed stays as it is, byte for
 * byte, and the tensors of any other are written anew in their order. New tensors go to the first
 * file that is written anyway, else to one of their own.
 */
export function planExternal(
  model: Model,
  { externalData: mode, dataName, checksum }: EncodeOptions,
): ExternalPlan {
  const places = new Map<Tensor, Placement>();
  const files: EncodedFile[] = [];
  if (mode === "never") return { places, files };
  const sizes = new Map(model.files.map((file) => [file.path, file.sizeBytes]));
  for (const group of groupsOf(externalTensors(model, mode), mode, sizes)) {
    const kept = group.home && isWhole(group, sizes) ? group.home : null;
    const index = files.length;
    const name = typeof dataName === "string" ? dataName : dataName({ index, kept });
    const laid = kept ? layAsBefore(group, kept, sizes) : layAnew(group);
    for (const [tensor, place] of laid.places)
      places.set(tensor, {
        ...place,
        name,
        isKept: kept !== null,
        checksum: kept ? null : (checksum?.(index) ?? null),
      });
    files.push({
      role: "external",
      name,
      sizeBytes: laid.sizeBytes,
      pieces: laid.pieces,
      kept,
      needsChecksum: !kept && group.tensors.some((tensor) => statedChecksum(tensor) !== null),
    });
  }
  return { places, files };
}

function externalTensors(model: Model, mode: ExternalData): Tensor[] {
  const candidates = candidatesOf(model);
  const usesExternal = candidates.some(({ tensor }) => wasExternal(tensor));
  const out = new Set<Tensor>();
  for (const { tensor, isInitializer } of candidates) {
    if (tensor.dtype.kind === "string" || tensor.sizeBytes === 0) continue;
    const isLarge = isInitializer && tensor.sizeBytes >= MIN_EXTERNAL_BYTES;
    const isNew = originOf(tensor, "onnx tensor") === null;
    if (wasExternal(tensor) || (isLarge && (mode === "always" || (usesExternal && isNew))))
      out.add(tensor);
  }
  return [...out];
}

const wasExternal = (tensor: Tensor): boolean => originOf(tensor, "onnx tensor")?.external === true;

/** Where a tensor's bytes were read from; null for embedded and new ones. */
function homeOf(tensor: Tensor): KeptFile | null {
  const origin = originOf(tensor, "onnx tensor");
  if (!origin?.external || origin.at instanceof Uint8Array) return null;
  const entry = origin.message.externalData.find(({ key }) => key === "location");
  return { path: origin.at.file, location: entry?.value ?? "" };
}

/** What the model says that the SHA-1 of the tensor's file is. */
export const statedChecksum = (tensor: Tensor): string | null => {
  const entries = originOf(tensor, "onnx tensor")?.message.externalData ?? [];
  const stated = entries.find(({ key }) => key === CHECKSUM)?.value ?? "";
  return stated === "" ? null : stated;
};
export const CHECKSUM = "checksum";

function groupsOf(
  tensors: readonly Tensor[],
  mode: ExternalData,
  sizes: ReadonlyMap<string, number>,
): Group[] {
  if (mode === "always") return tensors.length === 0 ? [] : [{ home: null, tensors: [...tensors] }];
  const byFile = new Map<string, Group>();
  const fresh: Tensor[] = [];
  for (const tensor of tensors) {
    const home = homeOf(tensor);
    if (!home) {
      fresh.push(tensor);
      continue;
    }
    const group = byFile.get(home.path) ?? { home, tensors: [] };
    group.tensors.push(tensor);
    byFile.set(home.path, group);
  }
  const groups = [...byFile.values()];
  for (const { tensors: some } of groups) some.sort((a, b) => startOf(a) - startOf(b));
  const changed = groups.find((group) => !isWhole(group, sizes));
  if (changed) changed.tensors.push(...fresh);
  else if (fresh.length > 0) groups.push({ home: null, tensors: fresh });
  return groups;
}

const startOf = (tensor: Tensor): number => {
  const at = originOf(tensor, "onnx tensor")?.at;
  return at === undefined || at instanceof Uint8Array ? 0 : at.offset;
};

/** Alignment leaves holes of less than this; a larger one was a tensor that is gone. */
const MAX_HOLE_BYTES = 65536;

/** All of the file's tensors are still what they were, and none is missing. */
function isWhole({ home, tensors }: Group, sizes: ReadonlyMap<string, number>): boolean {
  let end = 0;
  for (const tensor of tensors) {
    const { at } = tensor;
    if (at instanceof Uint8Array || at.file !== home?.path || !isUntouched(tensor)) return false;
    if (at.offset - end >= MAX_HOLE_BYTES) return false;
    end = Math.max(end, at.offset + at.length);
  }
  return home !== null && (sizes.get(home.path) ?? Infinity) - end < MAX_HOLE_BYTES;
}
const isUntouched = (tensor: Tensor): boolean => originOf(tensor, "onnx tensor")?.at === tensor.at;

interface Laid {
  readonly places: ReadonlyMap<Tensor, { readonly offset: number; readonly length: number }>;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
}

function layAsBefore(
  { tensors }: Group,
  { path }: KeptFile,
  sizes: ReadonlyMap<string, number>,
): Laid {
  const sizeBytes = sizes.get(path) ?? 0;
  const places = tensors.map(
    (tensor) => [tensor, { offset: startOf(tensor), length: tensor.at.length }] as const,
  );
  return {
    places: new Map(places),
    sizeBytes,
    pieces: [{ file: path, offset: 0, length: sizeBytes }],
  };
}

function layAnew({ tensors }: Group): Laid {
  const places = new Map<Tensor, { offset: number; length: number }>();
  const pieces: Piece[] = [];
  /** Tensors that share bytes go on sharing them. */
  const shared = new Map<string, { offset: number; length: number }>();
  let end = 0;
  for (const tensor of tensors) {
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
  return { places, sizeBytes: end, pieces };
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
  for (const tensor of hiddenExternals(model).values()) out.push({ tensor, isInitializer: false });
  return out;
}
