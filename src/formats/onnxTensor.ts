/** TensorProto to Tensor: where the bytes are, and that there are as many as dtype and shape say. */
import { byteLength, dtypeFromOnnx, elementCount, type Dtype } from "../shared/dtype.ts";
import { formatErrors } from "../shared/errors.ts";
import type { ByteRange, ModelFile, Tensor } from "../core/model.ts";
import type { SiblingFiles } from "./byteSource.ts";
import type { TensorProto } from "./onnx_pb.ts";
import type { TensorOrigin } from "./onnxOrigin.ts";
import { isSet } from "./onnxOrigin.ts";
import { FIELD_NAMES, packed, readMarker, typedWidth } from "./onnxTensorFields.ts";
import type { Payload } from "./payload.ts";

const EXTERNAL = 1;
/** More would be a damaged file: ONNX itself has at most single digits in practice. */
const MAX_RANK = 64;

export interface TensorReader {
  readonly path: string;
  readonly payloads: readonly Payload[];
  readonly siblings: SiblingFiles;
  /** External files seen, by path; filled while reading. */
  readonly externalFiles: Map<string, ModelFile>;
}

export const isExternal = (message: TensorProto): boolean => message.dataLocation === EXTERNAL;

/**
 * Null when the element type is not one we know.
 * @throws FormatError when data is missing, out of place or not of the size that the shape asks for.
 */
export function readTensor(
  reader: TensorReader,
  message: TensorProto,
  place: string,
): Tensor | null {
  const name = message.name;
  const label = name === "" ? place : name;
  const type = dtypeFromOnnx(message.dataType);
  if (!type) return null;
  const shape = readShape(reader.path, label, message.dims);
  const needed = byteLength(type, elementCount(shape));
  const at = readData(reader, message, label, type, needed);
  const strings = type.kind === "string" ? message.stringData.length : null;
  if (strings !== null && strings !== elementCount(shape))
    throw formatErrors.badTensor(
      reader.path,
      label,
      `has ${strings} strings, but string [${shape.join(", ")}] takes ${elementCount(shape)}`,
    );
  if (needed !== null && at.length !== needed)
    throw formatErrors.badTensor(
      reader.path,
      label,
      `has ${at.length} bytes of data, but ${type.name} [${shape.join(", ")}] takes ${needed}`,
    );
  const original: TensorOrigin = { of: "onnx tensor", message, at, external: isExternal(message) };
  return { name, dtype: type, shape, at, sizeBytes: at.length, original };
}

function readShape(path: string, label: string, dims: readonly bigint[]): number[] {
  if (dims.length > MAX_RANK)
    throw formatErrors.badTensor(path, label, `has ${dims.length} dimensions`);
  let product = 1;
  const shape = dims.map((dim) => {
    const size = Number(dim);
    if (dim < 0n || !Number.isSafeInteger(size))
      throw formatErrors.badTensor(path, label, `has a dimension of ${dim}`);
    if (size > 0) product *= size;
    return size;
  });
  if (!Number.isSafeInteger(product * 16))
    throw formatErrors.badTensor(path, label, `has the impossible shape [${shape.join(", ")}]`);
  return shape;
}

function readData(
  reader: TensorReader,
  message: TensorProto,
  label: string,
  type: Dtype,
  needed: number | null,
): Payload {
  if (isExternal(message)) return externalRange(reader, message, label, needed);
  if (message.segment)
    throw formatErrors.badTensor(reader.path, label, "is one segment of a larger tensor");
  if (type.kind === "string") return stringBytes(message.stringData);
  if (isSet(message, "rawData")) {
    const marker = readMarker(message.rawData);
    const payload = marker ? reader.payloads[marker.index] : message.rawData;
    if (payload) return payload;
  }
  const typed = typedBytes(reader.path, message, label);
  if (typed) return typed;
  if (needed === 0) return new Uint8Array(0);
  throw formatErrors.badTensor(reader.path, label, "has no data");
}

/** Each string as its length (uint32, little-endian) and its bytes, so that equal means equal. */
function stringBytes(strings: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(strings.reduce((sum, s) => sum + 4 + s.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const s of strings) {
    view.setUint32(at, s.length, true);
    out.set(s, at + 4);
    at += 4 + s.length;
  }
  return out;
}

/** The strings that `Tensor.at` stands for. */
export function stringsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    out.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return out;
}

/** Small typed fields, decoded by the protobuf library; larger ones were cut out by the scan. */
function typedBytes(path: string, message: TensorProto, label: string): Uint8Array | null {
  const lists: readonly (readonly [field: number, list: readonly (number | bigint)[]])[] = [
    [4, message.floatData],
    [5, message.int32Data],
    [7, message.int64Data],
    [10, message.doubleData],
    [11, message.uint64Data],
  ];
  const filled = lists.filter(([, list]) => list.length > 0);
  if (filled.length === 0) return null;
  // Each type has one field that it belongs in; no reader looks into the others.
  const [field, list] = filled.find(([f]) => typedWidth(f, message.dataType) !== null) ?? [0, []];
  const width = typedWidth(field, message.dataType);
  if (width === null)
    throw formatErrors.badTensor(
      path,
      label,
      `has values of data type ${message.dataType} in ${filled.map(([f]) => FIELD_NAMES[f] ?? f).join(" and ")}`,
    );
  const bytes = new Uint8Array(list.length * width);
  const view = new DataView(bytes.buffer);
  list.forEach((value, i) => {
    if (typeof value === "bigint") {
      if (width === 8) view.setBigUint64(8 * i, BigInt.asUintN(64, value), true);
      else view.setUint32(4 * i, Number(BigInt.asUintN(32, value)), true);
    } else if (field === 4) view.setFloat32(4 * i, value, true);
    else if (field === 10) view.setFloat64(8 * i, value, true);
    else if (width === 1) view.setUint8(i, value & 0xff);
    else if (width === 2) view.setUint16(2 * i, value & 0xffff, true);
    else view.setInt32(4 * i, value, true);
  });
  return packed(message.dataType, bytes);
}

/**
 * @param needed bytes, where the message does not say; null for strings
 * @throws FormatError
 */
export function externalRange(
  reader: TensorReader,
  message: TensorProto,
  label: string,
  needed: number | "rest" | null,
): ByteRange {
  const { path } = reader;
  const entries = new Map(message.externalData.map((entry) => [entry.key, entry.value]));
  const location = entries.get("location");
  if (location === undefined || location === "")
    throw formatErrors.badTensor(path, label, "has external data without a location");
  if (needed === null)
    throw formatErrors.badTensor(path, label, "has strings as external data, which ONNX rules out");
  const integer = (key: string): number | null => {
    const text = entries.get(key);
    if (text === undefined || text === "") return null;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value))
      throw formatErrors.badTensor(path, label, `has the external data ${key} "${text}"`);
    return value;
  };
  const offset = integer("offset") ?? 0;
  const file = reader.siblings.resolve(location);
  if (file === null) throw formatErrors.externalMissing(path, label, location);
  if (file === "escapes") throw formatErrors.externalEscapes(path, label, location);
  const rest = Math.max(0, file.sizeBytes - offset);
  const length = integer("length") ?? (needed === "rest" ? rest : needed);
  if (offset + length > file.sizeBytes)
    throw formatErrors.externalRange(path, label, location, offset + length, file.sizeBytes);
  reader.externalFiles.set(file.path, {
    path: file.path,
    sizeBytes: file.sizeBytes,
    role: "external",
  });
  return { file: file.path, offset, length };
}
