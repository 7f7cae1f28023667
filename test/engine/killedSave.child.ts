/**
 * Saves a document over itself, and is killed on the way: by its parent at any moment, or by itself
 * before the n-th call that changes the file system.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { save } from "../../src/engine/jobs.ts";
import { docOf, testTools } from "../helpers/environment.ts";
import { task } from "../helpers/temp.ts";

export interface KilledSave {
  readonly file: string;
  readonly scratch: string;
  readonly externalData: "auto" | "always" | "never";
  /** A text in the path of the first call that counts. */
  readonly countFrom: string;
  /** Counted from 1; null: the parent kills, or no one does. */
  readonly killBefore: number | null;
}
const { file, scratch, externalData, countFrom, killBefore } = JSON.parse(
  process.argv[2] ?? "",
) as KilledSave;

const CHANGING = [
  "chmodSync",
  "closeSync",
  "copyFileSync",
  "fsyncSync",
  "linkSync",
  "mkdirSync",
  "openSync",
  "renameSync",
  "rmSync",
  "writeFileSync",
  "writeSync",
] as const;
let calls = 0;
const counted = fs as unknown as Record<string, (...values: unknown[]) => unknown>;
const tools = testTools(scratch);
const doc = docOf(file, { transform: "quantize.float16", params: {} });
for (const name of CHANGING) {
  const original = counted[name];
  if (!original) throw new Error(`node:fs has no ${name}`);
  counted[name] = (...values) => {
    if (calls === 0 && !String(values[0]).includes(countFrom)) return original(...values);
    if (++calls === killBefore) process.kill(process.pid, "SIGKILL");
    return original(...values);
  };
}
syncBuiltinESMExports();

process.send?.("ready");
const options = { externalData, overwrite: true, verify: false, recipeFile: true } as const;
await save(tools, { doc, to: file, options }, task);
process.send?.(calls);
process.disconnect();
