/**
 * Every element type of ONNX (IR 14) and safetensors, in one table.
 *
 * Bytes always come from bits and element count through `byteLength`, so that 2-, 4- and 6-bit types
 * need no special case anywhere else.
 */

export type DtypeKind = "float" | "int" | "uint" | "bool" | "complex" | "string";

export interface Dtype {
  readonly name: DtypeName;
  /** Bits per element; 0 for strings, whose size is not known from the shape. */
  readonly bits: number;
  readonly kind: DtypeKind;
  /** `TensorProto.DataType` of the ONNX specification, or null where ONNX has no such type. */
  readonly onnx: number | null;
  /** The name in a safetensors header, or null where safetensors has no such type. */
  readonly safetensors: string | null;
}

const TABLE = [
  ["float32", 32, "float", 1, "F32"],
  ["uint8", 8, "uint", 2, "U8"],
  ["int8", 8, "int", 3, "I8"],
  ["uint16", 16, "uint", 4, "U16"],
  ["int16", 16, "int", 5, "I16"],
  ["int32", 32, "int", 6, "I32"],
  ["int64", 64, "int", 7, "I64"],
  ["string", 0, "string", 8, null],
  ["bool", 8, "bool", 9, "BOOL"],
  ["float16", 16, "float", 10, "F16"],
  ["float64", 64, "float", 11, "F64"],
  ["uint32", 32, "uint", 12, "U32"],
  ["uint64", 64, "uint", 13, "U64"],
  ["complex64", 64, "complex", 14, "C64"],
  ["complex128", 128, "complex", 15, null],
  ["bfloat16", 16, "float", 16, "BF16"],
  ["float8e4m3fn", 8, "float", 17, "F8_E4M3"],
  ["float8e4m3fnuz", 8, "float", 18, "F8_E4M3FNUZ"],
  ["float8e5m2", 8, "float", 19, "F8_E5M2"],
  ["float8e5m2fnuz", 8, "float", 20, "F8_E5M2FNUZ"],
  ["uint4", 4, "uint", 21, null],
  ["int4", 4, "int", 22, null],
  ["float4e2m1", 4, "float", 23, "F4"],
  ["float8e8m0", 8, "float", 24, "F8_E8M0"],
  ["uint2", 2, "uint", 25, null],
  ["int2", 2, "int", 26, null],
  ["float6e2m3", 6, "float", 27, "F6_E2M3"],
  ["float6e3m2", 6, "float", 28, "F6_E3M2"],
] as const;

export type DtypeName = (typeof TABLE)[number][0];

export const DTYPES: readonly Dtype[] = TABLE.map(([name, bits, kind, onnx, safetensors]) => ({
  name,
  bits,
  kind,
  onnx,
  safetensors,
}));

const byName = new Map<string, Dtype>(DTYPES.map((d) => [d.name, d]));
const byOnnx = new Map<number, Dtype>(
  DTYPES.flatMap((d) => (d.onnx === null ? [] : [[d.onnx, d]])),
);
const bySafetensors = new Map<string, Dtype>(
  DTYPES.flatMap((d) => (d.safetensors === null ? [] : [[d.safetensors, d]])),
);

/** The table row of a type known at compile time. */
export function dtype(name: DtypeName): Dtype {
  const found = byName.get(name);
  if (!found) throw new Error(`no such dtype: ${name}`);
  return found;
}
/** The table row of an ONNX `TensorProto.DataType`, or null when the number is not one we know. */
export const dtypeFromOnnx = (code: number): Dtype | null => byOnnx.get(code) ?? null;
/** The table row of a safetensors type name, or null when the name is not one we know. */
export const dtypeFromSafetensors = (name: string): Dtype | null => bySafetensors.get(name) ?? null;

/** Number of elements of a shape; 1 for a scalar (`[]`). */
export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, dim) => product * dim, 1);

/** Bytes of `elements` values of this type, packed as ONNX and safetensors pack them; null for strings. */
export const byteLength = (type: Dtype, elements: number): number | null =>
  type.kind === "string" ? null : Math.ceil((elements * type.bits) / 8);
