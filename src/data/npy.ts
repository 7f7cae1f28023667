/**
 * NumPy's .npy format, versions 1 to 3 (numpy.lib.format): a header with dtype, order and shape, then
 * the values. C-order files are read by range; Fortran order is rare enough to be turned in memory.
 */
import { dtype, type DtypeName } from "../shared/dtype.ts";
import { dataErrors } from "../shared/errors.ts";
import type { HostData } from "../shared/hostTensor.ts";
import { fileBytes, type Bytes } from "./files.ts";
import { inMemory, product, type Samples } from "./samples.ts";

const KINDS: Readonly<Record<string, DtypeName>> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};
/** NumPy writes headers of about 100 bytes; a long list of record fields could reach kilobytes. */
const MAX_HEADER = 65_536;
/** What is turned from Fortran to C order has to fit in memory twice. */
const MAX_FORTRAN_BYTES = 2 ** 30;

interface Header {
  readonly dtype: DtypeName;
  /** Bytes per element; for strings the fixed width of the array. */
  readonly width: number;
  readonly text: "bytes" | "utf32" | null;
  readonly swapped: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  readonly dataOffset: number;
}

/** The array in a .npy file; axis 0 counts samples, an array without axes is one sample. */
export const openNpy = (path: string): Samples => npySamples(fileBytes(path));

export function npySamples(file: Bytes): Samples {
  const header = readHeader(file);
  const elements = product(header.shape);
  const need = header.dataOffset + elements * header.width;
  if (need > file.sizeBytes)
    throw bad(file.path, `it should have ${need} bytes and has ${file.sizeBytes}`);
  const all = (): HostData =>
    decode(header, file.read(header.dataOffset, elements * header.width), elements);
  if (header.fortran && header.shape.length > 1) {
    if (elements * header.width > MAX_FORTRAN_BYTES)
      throw bad(file.path, "Fortran order is read up to 1 GiB only");
    return inMemory(file.path, header.dtype, header.shape, toCOrder(all(), header.shape));
  }
  const [count = 1, ...shape] = header.shape;
  const size = product(shape);
  return {
    path: file.path,
    dtype: header.dtype,
    count,
    shape,
    read: (from, to) => {
      const offset = header.dataOffset + from * size * header.width;
      const bytes = file.read(offset, (to - from) * size * header.width);
      return Promise.resolve(decode(header, bytes, (to - from) * size));
    },
  };
}

function readHeader(file: Bytes): Header {
  if (file.sizeBytes < 10) throw bad(file.path, "it is too short");
  const start = file.read(0, Math.min(12, file.sizeBytes));
  const view = new DataView(start.buffer);
  if (latin1(start.subarray(0, 6)) !== "\x93NUMPY")
    throw bad(file.path, "it does not start with the mark of NumPy files");
  const version = start[6] ?? 0;
  if (version < 1 || version > 3) throw bad(file.path, `its format version is ${version}`);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER) throw bad(file.path, `its header has ${length} bytes`);
  const dataOffset = 8 + lengthBytes + length;
  const bytes = file.read(8 + lengthBytes, length);
  const text = version === 3 ? new TextDecoder().decode(bytes) : latin1(bytes);
  const field = (pattern: RegExp, name: string): string => {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw bad(file.path, `its header has no readable "${name}"`);
    return found;
  };
  const descr = field(/'descr':\s*'([^']*)'/, "descr");
  const shape = field(/'shape':\s*\(([^)]*)\)/, "shape")
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => Number(part.trim().replace(/L$/, "")));
  if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0))
    throw bad(file.path, `its shape is (${shape.join(", ")})`);
  if (!Number.isSafeInteger(product(shape))) throw bad(file.path, "its shape is too large");
  const fortran = field(/'fortran_order':\s*(True|False)/, "fortran_order") === "True";
  return { ...elementType(file.path, descr), fortran, shape, dataOffset };
}

function elementType(
  path: string,
  descr: string,
): Pick<Header, "dtype" | "width" | "text" | "swapped"> {
  const [, order = "", kind = ""] = /^([<>|=]?)(.*)$/.exec(descr) ?? [];
  const letters = /^([SU])(\d{1,5})$/.exec(kind);
  if (letters) {
    const utf32 = letters[1] === "U";
    const width = Number(letters[2]) * (utf32 ? 4 : 1);
    return { dtype: "string", width, text: utf32 ? "utf32" : "bytes", swapped: order === ">" };
  }
  const name = KINDS[kind];
  if (name === undefined)
    throw dataErrors.bad(
      path,
      path,
      `its element type is ${descr}`,
      `Save it as one of ${Object.keys(KINDS).join(", ")}, S or U; objects and complex numbers are not read.`,
    );
  return { dtype: name, width: dtype(name).bits / 8, text: null, swapped: order === ">" };
}

function decode(header: Header, bytes: Uint8Array, count: number): HostData {
  if (header.text !== null) return decodeText(header, bytes, count);
  if (header.swapped && header.width > 1)
    for (let at = 0; at < bytes.length; at += header.width)
      bytes.subarray(at, at + header.width).reverse();
  const { buffer } = bytes;
  switch (header.dtype) {
    case "int8":
      return new Int8Array(buffer, 0, count);
    case "int16":
      return new Int16Array(buffer, 0, count);
    case "int32":
      return new Int32Array(buffer, 0, count);
    case "int64":
      return new BigInt64Array(buffer, 0, count);
    case "uint16":
    case "float16":
      return new Uint16Array(buffer, 0, count);
    case "uint32":
      return new Uint32Array(buffer, 0, count);
    case "uint64":
      return new BigUint64Array(buffer, 0, count);
    case "float32":
      return new Float32Array(buffer, 0, count);
    case "float64":
      return new Float64Array(buffer, 0, count);
    default:
      return bytes;
  }
}

/** One character per byte. TextDecoder's "latin1" is windows-1252, which differs from 0x80 to 0x9f. */
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

function decodeText(header: Header, bytes: Uint8Array, count: number): string[] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => {
    const start = i * header.width;
    if (header.text === "bytes")
      return latin1(bytes.subarray(start, start + header.width)).replace(/\0+$/, "");
    let text = "";
    for (let at = start; at < start + header.width; at += 4) {
      const code = view.getUint32(at, !header.swapped);
      if (code !== 0 && code <= 0x10ffff) text += String.fromCodePoint(code);
    }
    return text;
  });
}

/** Values stored with the first axis fastest, in the order with the last axis fastest. */
function toCOrder(data: HostData, shape: readonly number[]): HostData {
  const out = data.slice();
  const index = shape.map(() => 0);
  const strides = shape.map((_, axis) => product(shape.slice(0, axis)));
  for (let at = 0; at < out.length; at++) {
    const from = index.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 0), 0);
    (out as unknown[])[at] = data[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 0)) break;
      index[axis] = 0;
    }
  }
  return out;
}

const bad = (path: string, problem: string): Error =>
  dataErrors.bad(
    path,
    path,
    `it is not a readable .npy file: ${problem}`,
    "Write it with numpy.save.",
  );
