/** The data fields of TensorProto: which element types each may hold, and as what bytes. */
import { dtypeFromOnnx, type Dtype } from "../shared/dtype.ts";
import { concatBytes, type WireReader } from "./wire.ts";

/** Payloads up to this size stay in the skeleton; larger ones are left in the file. */
export const INLINE_BYTES = 1024;

const RAW_DATA = 9;
/** Field numbers of TensorProto that the scan looks at. */
export const TENSOR = {
  dataType: 2,
  name: 8,
  rawData: RAW_DATA,
  data: new Set([4, 5, 7, RAW_DATA, 10, 11]) as ReadonlySet<number>,
} as const;

/**
 * In a skeleton the data of a tensor is a marker: these eight bytes, the number of the reading it
 * belongs to and its index there. File content that looks like a marker is always cut out itself,
 * so that no file can forge one.
 */
const MAGIC = Uint8Array.of(0xf1, 0x6c, 0x61, 0x74, 0x68, 0x65, 0x0d, 0x8a);
export const MARKER_BYTES = 16;

export interface Marker {
  readonly reading: number;
  readonly index: number;
}
export function markerBytes(marker: Marker): Uint8Array {
  const bytes = new Uint8Array(MARKER_BYTES);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, marker.reading, true);
  view.setUint32(12, marker.index, true);
  return bytes;
}
export const isMarked = (bytes: Uint8Array): boolean =>
  bytes.length >= MARKER_BYTES && MAGIC.every((byte, i) => bytes[i] === byte);
export function readMarker(bytes: Uint8Array): Marker | null {
  if (bytes.length !== MARKER_BYTES || !isMarked(bytes)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { reading: view.getUint32(8, true), index: view.getUint32(12, true) };
}
/** Tag and length of a `raw_data` field of that size follow as `head`. */
export const RAW_DATA_TAG = (RAW_DATA << 3) | 2;

export const FIELD_NAMES: Readonly<Record<number, string>> = {
  4: "float_data",
  5: "int32_data",
  6: "string_data",
  7: "int64_data",
  9: "raw_data",
  10: "double_data",
  11: "uint64_data",
};

/**
 * Bytes that one number of a typed field stands for, or null where the type must not be in that
 * field (onnx.proto, TensorProto). Types under 8 bit are packed into the low byte of an int32; the
 * 6-bit ones have one element each there, which `packed` puts together.
 */
export function typedWidth(field: number, dataType: number): 1 | 2 | 4 | 8 | null {
  const type = dtypeFromOnnx(dataType);
  if (!type) return null;
  const is = (...names: readonly Dtype["name"][]): boolean => names.includes(type.name);
  switch (field) {
    case 4:
      return is("float32", "complex64") ? 4 : null;
    case 5:
      if (is("int32")) return 4;
      if (type.bits === 16) return 2;
      return type.bits <= 8 && type.bits > 0 ? 1 : null;
    case 7:
      return is("int64") ? 8 : null;
    case 10:
      return is("float64", "complex128") ? 8 : null;
    case 11:
      return is("uint64") ? 8 : is("uint32") ? 4 : null;
    default:
      return null;
  }
}

/** One stretch of a typed field: a packed list, or values that each have a tag of their own. */
export interface FieldPart {
  readonly from: number;
  readonly to: number;
  readonly loose: boolean;
}

/**
 * The numbers of a typed field, from all of its parts, as little-endian numbers of `width` bytes.
 * @param isFloat numbers of fixed width instead of varints
 */
export function gatherParts(
  reader: WireReader,
  parts: readonly FieldPart[],
  width: 1 | 2 | 4 | 8,
  isFloat: boolean,
): Uint8Array {
  const chunks = parts.map((part) =>
    isFloat ? fixedNumbers(reader, part, width) : varints(reader, part, width),
  );
  const [only] = chunks;
  return chunks.length === 1 && only ? only : concatBytes(chunks);
}

function fixedNumbers(
  reader: WireReader,
  { from, to, loose }: FieldPart,
  width: number,
): Uint8Array {
  if (!loose) return reader.source.read(from, to - from);
  const out = new Uint8Array(looseCount(reader, from, to, width) * width);
  let at = 0;
  reader.position = from;
  while (reader.position < to) {
    reader.varint(to, "a tag");
    out.set(reader.peek(width), at);
    at += width;
    reader.position += width;
  }
  return out;
}
function looseCount(reader: WireReader, from: number, to: number, width: number): number {
  let count = 0;
  for (reader.position = from; reader.position < to; reader.position += width, count++)
    reader.varint(to, "a tag");
  return count;
}

function varints(
  reader: WireReader,
  { from, to, loose }: FieldPart,
  width: 1 | 2 | 4 | 8,
): Uint8Array {
  let count = 0;
  const each = (act: (low: number, high: number) => void): void => {
    reader.position = from;
    while (reader.position < to) {
      if (loose) reader.varint(to, "a tag");
      act(...reader.varintPair(to, "a packed number"));
    }
  };
  each(() => count++);
  const bytes = new Uint8Array(count * width);
  const view = new DataView(bytes.buffer);
  let at = 0;
  each((low, high) => {
    if (width === 1) view.setUint8(at, low & 0xff);
    else if (width === 2) view.setUint16(at, low & 0xffff, true);
    else view.setUint32(at, low, true);
    if (width === 8) view.setUint32(at + 4, high, true);
    at += width;
  });
  return bytes;
}

/**
 * The bytes of a typed field as `raw_data` would have them: 6-bit codes, of which each has a byte,
 * as a stream of bits, low ones first.
 */
export function packed(dataType: number, bytes: Uint8Array): Uint8Array {
  if (dtypeFromOnnx(dataType)?.bits !== 6) return bytes;
  const out = new Uint8Array(Math.ceil((bytes.length * 6) / 8));
  bytes.forEach((code, i) => {
    const word = (code & 63) << ((i * 6) % 8);
    const at = Math.floor((i * 6) / 8);
    out[at] = (out[at] ?? 0) | (word & 0xff);
    if (word > 0xff) out[at + 1] = word >>> 8;
  });
  return out;
}
