/**
 * Writes the examples' data files: `node scripts/examples.mjs [FOLDER]`. With a folder, also the
 * training sets, into it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { keptFiles, trainingFiles } from "./data.ts";
import type { DataFile } from "./data.ts";

const write = (folder: string, files: readonly DataFile[]): void => {
  for (const file of files) {
    const to = path.join(folder, file.path);
    mkdirSync(path.dirname(to), { recursive: true });
    writeFileSync(to, file.bytes);
    console.log(`${to}  ${file.bytes.length} bytes`);
  }
};

write("examples", keptFiles());
const trainingFolder = process.argv[2];
if (trainingFolder !== undefined) write(trainingFolder, trainingFiles());
