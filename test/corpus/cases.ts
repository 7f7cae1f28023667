/**
 * The ONNX project's own test collection, which lies beside the checkout: small models with inputs
 * and expected outputs. The archive is read in memory; nothing is unpacked. `npm test` takes every
 * 25th model, `npm run test:corpus` all of them.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const ARCHIVE = "../shared/corpus/onnx-backend.tar.gz";
const EVERY = 25;

export interface CorpusCase {
  /** `node/test_acos`; for a model without a folder its path. */
  readonly name: string;
  readonly model: Uint8Array;
  /** Each file is a TensorProto, SequenceProto or OptionalProto, in the order of the graph's inputs and outputs. */
  readonly sets: readonly {
    readonly inputs: readonly Uint8Array[];
    readonly outputs: readonly Uint8Array[];
  }[];
}

/** Why there is nothing to try, as the `skip` of a test; false when there is. */
export const corpusMissing: string | false = existsSync(ARCHIVE)
  ? false
  : "the ONNX project's test collection is not beside this checkout";

export const wholeCorpus: boolean = process.env["LATHE_CORPUS"] === "all";

/** The models to try, by name; none when the archive is missing. */
export function corpusCases(): readonly CorpusCase[] {
  if (corpusMissing !== false) return [];
  const files = readTar(gunzipSync(readFileSync(ARCHIVE)));
  const cases = [...files.keys()]
    .filter((path) => path.endsWith(".onnx"))
    .sort()
    .map((path) => caseOf(path, files));
  return wholeCorpus ? cases : cases.filter((_, i) => i % EVERY === 0);
}

function caseOf(path: string, files: ReadonlyMap<string, Uint8Array>): CorpusCase {
  const folder = /^(.*)\/model\.onnx$/.exec(path)?.[1] ?? null;
  const bytesOf = (file: string): Uint8Array | undefined =>
    folder === null ? undefined : files.get(`${folder}/${file}`);
  /** `prefix0.pb`, `prefix1.pb`, … */
  const numbered = (prefix: string): Uint8Array[] => {
    const out: Uint8Array[] = [];
    for (;;) {
      const bytes = bytesOf(`${prefix}${out.length}.pb`);
      if (!bytes) return out;
      out.push(bytes);
    }
  };
  const sets: { inputs: Uint8Array[]; outputs: Uint8Array[] }[] = [];
  for (;;) {
    const at = `test_data_set_${sets.length}`;
    const inputs = numbered(`${at}/input_`);
    const outputs = numbered(`${at}/output_`);
    if (inputs.length + outputs.length === 0) break;
    sets.push({ inputs, outputs });
  }
  return { name: folder ?? path, model: files.get(path) ?? new Uint8Array(), sets };
}

const BLOCK = 512;
/** The plain files of a tar archive as GNU tar writes it: a name over 100 bytes is an entry before its file. */
function readTar(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number): string => {
    const field = tar.subarray(from, from + length);
    const end = field.indexOf(0);
    return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
  };
  let longName: string | null = null;
  for (let at = 0; at + BLOCK <= tar.length;) {
    const name = longName ?? text(at, 100);
    if (name === "") break;
    const length = parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    const from = at + BLOCK;
    longName = type === "L" ? text(from, length) : null;
    if (type === "0")
      files.set(name.replace(/^onnx-backend\//, ""), tar.slice(from, from + length));
    at = from + Math.ceil(length / BLOCK) * BLOCK;
  }
  return files;
}
