/** Stages a save, says so, and never finishes it. */
import { openModel } from "../../src/engine/files.ts";
import { stageModel } from "../../src/engine/save.ts";

const [input = "", output = ""] = process.argv.slice(2);
await stageModel(
  openModel(input),
  output,
  { externalData: "always", overwrite: true, allowInput: false },
  { signal: new AbortController().signal, progress: () => undefined },
);
process.send?.("staged");
setInterval(() => undefined, 1000);
