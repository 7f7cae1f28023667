/** A safetensors file with any header, lies included. */
export function safetensorsBytes(header: object, dataBytes: number): Uint8Array {
  const json = JSON.stringify(header);
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8);
  const bytes = new Uint8Array(8 + padded.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded.length), true);
  bytes.set(new TextEncoder().encode(padded), 8);
  return bytes;
}
