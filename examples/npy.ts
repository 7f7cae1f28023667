/** A NumPy array file (`.npy`, version 1.0, C order) of unsigned bytes. */
export function npyOfBytes(shape: readonly number[], values: Uint8Array): Uint8Array {
  const dims = shape.length === 1 ? `${shape.join()},` : shape.join(", ");
  const fields = `{'descr': '|u1', 'fortran_order': False, 'shape': (${dims}), }`;
  // Magic, version and length take 10 bytes; the data starts at a multiple of 64.
  const headerLength = Math.ceil((10 + fields.length + 1) / 64) * 64 - 10;
  const header = fields.padEnd(headerLength - 1) + "\n";
  const file = new Uint8Array(10 + headerLength + values.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, headerLength & 255, headerLength >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(values, 10 + headerLength);
  return file;
}
