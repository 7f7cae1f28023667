/**
 * Computed changes on disk, by key. A change is `<key>.json` (what was done) and one data file with
 * the new tensors' bytes; the JSON is written last, by rename, so it never points to missing data.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Change } from "../core/change.ts";
import type { ByteRange } from "../core/model.ts";
import type { TensorData } from "../core/plugin.ts";
import type { TensorSink } from "../core/transaction.ts";
import type { Entry, Fingerprint } from "../shared/doc.ts";
import { engineErrors } from "../shared/errors.ts";
import { codeOf, readRange } from "./files.ts";
import { CHUNK_BYTES } from "./output.ts";
import { freeBytes } from "./saveTarget.ts";
import { SPILL_PREFIX, sweepScratch, touch, type Scratch } from "./scratch.ts";

/** Sorted keys, so that equal entries have equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object")
    return `{${Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`)
      .join(",")}}`;
  return JSON.stringify(value) ?? "null";
}
const sha256 = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 32);

/** One text for equal values, whatever the order of their keys. */
export const keyOf = (identity: unknown): string => sha256(canonical(identity));

/** Identity of the untouched base: content and file identity, not its path (a kept base moves). */
export const baseKey = (fingerprint: Fingerprint): string => sha256(canonical(fingerprint));

/**
 * Identity of the state after one more entry. `version` is the technique's and the tool's, `data` the
 * identity of the calibration data for a technique that uses it.
 */
export const entryKey = (
  before: string,
  entry: Entry,
  version: string,
  data: string | null,
): string =>
  sha256(canonical(data === null ? [before, entry, version] : [before, entry, version, data]));

/** Stands in the JSON for the change's own data file, which may have moved with the scratch folder. */
const OWN_DATA = "";

export function loadChange(scratch: Scratch, key: string, now: Date): Change | null {
  const file = path.join(scratch.changes, `${key}.json`);
  let stored: { readonly data: string | null; readonly change: Change };
  try {
    stored = JSON.parse(readFileSync(file, "utf8"), reviveBytes) as typeof stored;
  } catch {
    return null; // Not computed yet, or swept while reading: the caller computes it.
  }
  const dataFile = stored.data === null ? null : path.join(scratch.changes, stored.data);
  if (dataFile !== null && !existsSync(dataFile)) return null;
  touch(file, now);
  return mapRanges(stored.change, (range) =>
    range.file === OWN_DATA && dataFile !== null ? { ...range, file: dataFile } : range,
  );
}

export interface ChangeWriter {
  readonly sink: TensorSink;
  /** Makes the change known under its key. */
  commit(change: Change): void;
  /** Removes what was written. */
  discard(): void;
}

/**
 * Where the scratch folder is full, results nobody used lately make room; where that is not enough,
 * the bytes go to the system's temporary folder, and the change is not kept for later.
 */
export function writeChange(scratch: Scratch, key: string): ChangeWriter {
  const name = `${key}.${randomUUID().slice(0, 8)}.bin`;
  const firstFile = path.join(scratch.changes, name);
  let dataFile = firstFile;
  let descriptor: number | null = null;
  let offset = 0;
  let spilled = false;
  const put = (bytes: Uint8Array): void => {
    descriptor ??= openSync(dataFile, "wx");
    for (let done = 0; done < bytes.length;) {
      const count = Math.min(CHUNK_BYTES, bytes.length - done);
      done += writeSync(descriptor, bytes, done, count, offset + done);
    }
  };
  const close = (): void => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  /** The tensor that began at `start` goes on in another file, from its beginning. */
  const spill = (start: number): number => {
    close();
    const from = dataFile;
    dataFile = path.join(spillFolder(), name);
    const length = offset - start;
    offset = 0;
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      const bytes = readRange(
        { file: from, offset: start, length },
        at,
        Math.min(CHUNK_BYTES, length - at),
      );
      put(bytes);
      offset += bytes.length;
    }
    spilled = true;
    forgetAtExit(firstFile);
    note(scratch.root);
    return 0;
  };
  const append = (bytes: Uint8Array, start: number): number => {
    let from = start;
    for (let attempt = 0; ; attempt++)
      try {
        put(bytes);
        offset += bytes.length;
        return from;
      } catch (error) {
        if (!isFull(error)) throw error;
        if (attempt === 0) sweepScratch(scratch, 0, Date.now());
        else if (spilled) throw fullError(path.dirname(dataFile), bytes.length);
        else
          try {
            from = spill(start);
          } catch (problem) {
            throw isFull(problem) ? fullError(scratch.root, bytes.length) : problem;
          }
      }
  };
  return {
    sink: {
      async write(data: TensorData): Promise<ByteRange> {
        let start = offset;
        if (data instanceof Uint8Array) start = append(data, start);
        else for await (const chunk of data) start = append(chunk, start);
        return { file: dataFile, offset: start, length: offset - start };
      },
    },
    commit(change) {
      close();
      if (spilled) return;
      const stored = {
        data: offset > 0 ? name : null,
        change: mapRanges(change, (range) =>
          range.file === dataFile ? { ...range, file: OWN_DATA } : range,
        ),
      };
      const temporary = path.join(scratch.changes, `${key}.${randomUUID()}.tmp`);
      try {
        writeFileSync(temporary, JSON.stringify(stored, writeBytes));
        renameSync(temporary, path.join(scratch.changes, `${key}.json`));
      } catch (error) {
        rmSync(temporary, { force: true });
        if (!isFull(error)) throw error;
        // The change is whole all the same; it is only not found again.
        forgetAtExit(dataFile);
        note(scratch.root);
      }
    },
    discard() {
      close();
      rmSync(dataFile, { force: true });
      rmSync(firstFile, { force: true });
    },
  };
}

const isFull = (error: unknown): boolean => ["ENOSPC", "EDQUOT"].includes(codeOf(error));
const fullError = (folder: string, bytes: number): Error =>
  engineErrors.scratchFull(folder, bytes, freeBytes(folder) ?? 0);

/** What this process had to do otherwise because the scratch folder is full; said once. */
const notes = new Set<string>();
const note = (root: string): void => {
  notes.add(
    `The scratch folder ${root} is full: results go to ${tmpdir()} instead, and are not kept for later.`,
  );
};
export const scratchNotes = (): readonly string[] => [...notes];

const forgotten = new Set<string>();
/** Data that no description leads to is of use for this process alone. */
function forgetAtExit(file: string): void {
  if (forgotten.size === 0) process.once("exit", dropUnkept);
  forgotten.add(file);
}
/** For the end of a job whose result is saved: its process is ended without hearing of it. */
export function dropUnkept(): void {
  for (const one of forgotten) rmSync(one, { recursive: true, force: true });
}
function spillFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), `${SPILL_PREFIX}${process.pid}-`));
  forgetAtExit(folder);
  return folder;
}

function mapRanges(change: Change, map: (range: ByteRange) => ByteRange): Change {
  return {
    ...change,
    units: change.units.map((unit) => ({
      ...unit,
      steps: unit.steps.map((step) =>
        step.kind === "putTensor" && !(step.tensor.at instanceof Uint8Array)
          ? { ...step, tensor: { ...step.tensor, at: map(step.tensor.at) } }
          : step,
      ),
    })),
  };
}

const writeBytes = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value;
const reviveBytes = (_key: string, value: unknown): unknown =>
  value !== null &&
  typeof value === "object" &&
  "base64" in value &&
  typeof value.base64 === "string"
    ? new Uint8Array(Buffer.from(value.base64, "base64"))
    : value;
