/** safetensors: eight bytes of header length, a JSON header, then the tensors' bytes without holes. */
import { byteLength, dtypeFromSafetensors, elementCount } from "../shared/dtype.ts";
import { FormatError, formatErrors } from "../shared/errors.ts";
import {
  graphKey,
  MAIN,
  mainGraph,
  type Model,
  type ModelFile,
  type Tensor,
} from "../core/model.ts";
import type { ByteSource, Piece } from "./byteSource.ts";
import type { EncodedFile } from "./encoding.ts";
import { parseStrictJson } from "./strictJson.ts";

/** The limit of the reference implementation; a header describes at most some 10^5 tensors. */
const MAX_HEADER_BYTES = 100_000_000;

/** What one safetensors file holds. */
export interface SafetensorsFile {
  /** By offset. */
  readonly tensors: readonly Tensor[];
  readonly meta: ReadonlyMap<string, string>;
}

/** @throws FormatError for every way in which a header can lie about its file. */
export function readSafetensors(source: ByteSource): Model {
  const { path, sizeBytes } = source;
  const { tensors, meta } = readSafetensorsFile(source);
  return tensorsModel(tensors, meta, [{ path, sizeBytes, role: "model" }]);
}

/** A model of tensors without a graph. */
export const tensorsModel = (
  tensors: readonly Tensor[],
  meta: ReadonlyMap<string, string>,
  files: readonly ModelFile[],
): Model => ({
  format: "safetensors",
  graphs: new Map([
    [
      graphKey(MAIN),
      {
        path: MAIN,
        name: "",
        nodes: [],
        inputs: [],
        outputs: [],
        values: new Map(),
        tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
      },
    ],
  ]),
  irVersion: 0,
  producer: "",
  opsets: new Map(),
  meta,
  functions: [],
  files,
  warnings: [],
});

/** @throws FormatError as `readSafetensors`. */
export function readSafetensorsFile(source: ByteSource): SafetensorsFile {
  const { path, sizeBytes } = source;
  const fail = (problem: string): FormatError => formatErrors.notSafetensors(path, problem);
  if (sizeBytes < 8) throw formatErrors.truncated(path, 0, "the header's length", 8, sizeBytes);
  const lengthBytes = source.read(0, 8);
  const length = new DataView(lengthBytes.buffer, lengthBytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw fail(`its header would be ${length} bytes long, more than ${MAX_HEADER_BYTES}`);
  const headerBytes = Number(length);
  if (8 + headerBytes > sizeBytes)
    throw formatErrors.truncated(path, 8, "the header", headerBytes, sizeBytes - 8);
  const header = parseHeader(source.read(8, headerBytes), fail);

  const dataStart = 8 + headerBytes;
  const dataBytes = sizeBytes - dataStart;
  const tensors: Tensor[] = [];
  let meta = new Map<string, string>();
  for (const [name, entry] of header) {
    if (name === "__metadata__") meta = readMeta(entry, fail);
    else tensors.push(readEntry(name, entry, path, dataStart, dataBytes, fail));
  }
  return { tensors: checkLayout(tensors, dataStart, dataBytes, fail), meta };
}

function parseHeader(
  bytes: Uint8Array,
  fail: (problem: string) => FormatError,
): ReadonlyMap<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw fail("its header is not UTF-8 text");
  }
  if (!text.startsWith("{")) throw fail("its header does not start with {");
  const parsed = parseStrictJson(text);
  if ("problem" in parsed)
    throw fail(`its header is not valid JSON (${parsed.problem} at byte ${8 + parsed.at})`);
  if (!(parsed.value instanceof Map)) throw fail("its header is not a JSON object");
  return parsed.value as ReadonlyMap<string, unknown>;
}

function readMeta(entry: unknown, fail: (problem: string) => FormatError): Map<string, string> {
  if (!(entry instanceof Map)) throw fail("__metadata__ is not an object");
  const meta = new Map<string, string>();
  for (const [key, value] of entry as ReadonlyMap<string, unknown>) {
    if (typeof value !== "string") throw fail(`__metadata__ has "${key}", which is not a string`);
    meta.set(key, value);
  }
  return meta;
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function readEntry(
  name: string,
  entry: unknown,
  path: string,
  dataStart: number,
  dataBytes: number,
  fail: (problem: string) => FormatError,
): Tensor {
  if (!(entry instanceof Map)) throw fail(`the entry of tensor "${name}" is not an object`);
  const fields = entry as ReadonlyMap<string, unknown>;
  const typeName = fields.get("dtype");
  const type = typeof typeName === "string" ? dtypeFromSafetensors(typeName) : null;
  if (!type)
    throw fail(`tensor "${name}" has the unknown dtype ${JSON.stringify(typeName) ?? "(none)"}`);
  const shape = fields.get("shape");
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw fail(`the shape of tensor "${name}" is not a list of sizes`);
  const elements = elementCount(shape);
  const needed = byteLength(type, elements);
  if (needed === null || !Number.isSafeInteger(elements * Math.max(8, type.bits)))
    throw fail(`tensor "${name}" has the impossible shape [${shape.join(", ")}]`);
  if ((elements * type.bits) % 8 !== 0)
    throw fail(`tensor "${name}" does not fill its last byte (${elements} × ${type.bits} bit)`);
  const offsets = fields.get("data_offsets");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw fail(`the data_offsets of tensor "${name}" are not two offsets`);
  const [begin = 0, end = 0] = offsets;
  if (begin > end) throw fail(`tensor "${name}" ends (${end}) before it begins (${begin})`);
  if (end > dataBytes)
    throw fail(
      `tensor "${name}" ends at byte ${dataStart + end}, but the file has ${dataStart + dataBytes} bytes`,
    );
  if (end - begin !== needed)
    throw fail(
      `tensor "${name}" has ${end - begin} bytes, but ${type.safetensors ?? type.name} [${shape.join(", ")}] takes ${needed}`,
    );
  return {
    name,
    dtype: type,
    shape,
    at: { file: path, offset: dataStart + begin, length: end - begin },
    sizeBytes: end - begin,
  };
}

/** The tensors by offset. @throws FormatError for overlaps, holes and bytes that belong to none. */
function checkLayout(
  tensors: readonly Tensor[],
  dataStart: number,
  dataBytes: number,
  fail: (problem: string) => FormatError,
): Tensor[] {
  const beginOf = (tensor: Tensor): number =>
    tensor.at instanceof Uint8Array ? 0 : tensor.at.offset - dataStart;
  const inOrder = [...tensors].sort((a, b) => beginOf(a) - beginOf(b) || a.sizeBytes - b.sizeBytes);
  let at = 0;
  for (const tensor of inOrder) {
    const begin = beginOf(tensor);
    if (begin !== at)
      throw fail(
        begin < at
          ? `tensor "${tensor.name}" overlaps the one before it`
          : `bytes ${dataStart + at} to ${dataStart + begin} belong to no tensor`,
      );
    at = begin + tensor.sizeBytes;
  }
  if (at !== dataBytes)
    throw fail(`${dataBytes - at} bytes after the last tensor belong to no tensor`);
  return inOrder;
}

/** @throws FormatError for an element type that safetensors does not have. */
export function encodeSafetensors(model: Model): EncodedFile[] {
  const path = model.files[0]?.path ?? "the model";
  const { tensors } = mainGraph(model);
  return [{ role: "model", name: null, ...safetensorsPieces(path, tensors.values(), model.meta) }];
}

/**
 * One file. Tensors of larger elements first, otherwise in the order given: then each lies at a
 * multiple of its element size, which readers that map the file rely on.
 * @param path of the model, for error texts
 * @throws FormatError for an element type that safetensors does not have.
 */
export function safetensorsPieces(
  path: string,
  given: Iterable<Tensor>,
  metadata: ReadonlyMap<string, string>,
): { readonly sizeBytes: number; readonly pieces: readonly Piece[] } {
  const tensors = [...given].sort((a, b) => b.dtype.bits - a.dtype.bits);
  const header: [name: string, text: string][] = [];
  if (metadata.size > 0) {
    const meta = [...metadata].map(([key, value]) => [key, JSON.stringify(value)] as const);
    header.push(["__metadata__", objectText(meta)]);
  }
  const pieces: Piece[] = [];
  let end = 0;
  for (const { name, dtype, shape, at } of tensors) {
    if (dtype.safetensors === null || name === "__metadata__")
      throw formatErrors.badTensor(
        path,
        name,
        `cannot be stored as safetensors (element type ${dtype.name})`,
      );
    const offsets = [end, end + at.length];
    const entry = { dtype: dtype.safetensors, shape, data_offsets: offsets };
    header.push([name, JSON.stringify(entry)]);
    if (at.length > 0) pieces.push(at);
    end += at.length;
  }
  const json = new TextEncoder().encode(objectText(header));
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES)
    throw formatErrors.tooLarge(
      path,
      "the size of the safetensors header",
      padded,
      MAX_HEADER_BYTES,
      "Readers refuse larger headers; shorten the metadata.",
    );
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  return { sizeBytes: head.length + end, pieces: [head, ...pieces] };
}

/** JSON with its keys in the given order; objects would put names that are numbers first. */
const objectText = (entries: readonly (readonly [key: string, text: string])[]): string =>
  `{${entries.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(",")}}`;
