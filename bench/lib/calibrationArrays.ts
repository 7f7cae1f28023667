/** The calibration samples of a data set as plain arrays, prepared by our own data layer: what a peer calibrates on. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { openData } from "../../src/data/open.ts";
import { createSession } from "../../src/engine/ort.ts";
import type { HostTensor } from "../../src/shared/hostTensor.ts";

/** Rows of one run where the model leaves the batch open. */
const OPEN_BATCH = 16;

/** Writes NAME.npy per input and batch.json into the folder. @throws DataError when the data does not fit the model. */
export async function writeCalibration(model: string, data: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const session = await createSession(model, { threads: 1, optimization: "disabled" });
  const bound = await openData(data, session, "calibration");
  const parts = new Map<string, HostTensor[]>();
  for await (const batch of bound.batches(null, OPEN_BATCH))
    for (const [name, tensor] of batch.feeds) parts.set(name, [...(parts.get(name) ?? []), tensor]);
  for (const [name, tensors] of parts) writeNpy(path.join(folder, `${name}.npy`), tensors);
  const rows = bound.fixedBatch ?? OPEN_BATCH;
  writeFileSync(path.join(folder, "batch.json"), String(rows));
  await session.release();
}

const DESCR: Partial<Readonly<Record<HostTensor["dtype"], string>>> = {
  float32: "<f4",
  int64: "<i8",
  int32: "<i4",
  uint8: "|u1",
};

/** Version 1, C order; the tensors follow each other along the first axis. */
export function writeNpy(file: string, tensors: readonly HostTensor[]): void {
  const [first] = tensors;
  const descr = first && DESCR[first.dtype];
  if (first === undefined || descr === undefined)
    throw new Error(`${file}: no samples of a type that a .npy can hold here`);
  const count = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 1), 0);
  const shape = [count, ...first.shape.slice(1)];
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(header.length, 8);
  const fd = openSync(file, "w");
  try {
    writeSync(fd, Buffer.concat([head, Buffer.from(header, "latin1")]));
    for (const { data } of tensors) {
      if (Array.isArray(data)) throw new Error(`${file}: text is no array`);
      writeSync(fd, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    }
  } finally {
    closeSync(fd);
  }
}
