/** A .npy file (version 1, C order) of a typed array, for data written by tests. */
export type NpyValues = Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array;

export function npyBytes(shape: readonly number[], values: NpyValues): Uint8Array {
  const descr =
    values instanceof Float32Array
      ? "<f4"
      : values instanceof Float64Array
        ? "<f8"
        : values instanceof Uint8Array
          ? "|u1"
          : values instanceof Int32Array
            ? "<i4"
            : "<i8";
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const head = new TextEncoder().encode(`_NUMPY\x01\x00__${header}`);
  head[0] = 0x93;
  new DataView(head.buffer).setUint16(8, header.length, true);
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array([...head, ...body]);
}
