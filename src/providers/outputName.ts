/** Names of files that commands write: beside the input, and never one that is there already. */
import { existsSync } from "node:fs";
import path from "node:path";

/** `model.onnx` → `model.w4.onnx`, or with a number when that exists. */
export function outputBeside(
  input: string,
  suffix: string,
  exists: (file: string) => boolean = existsSync,
): string {
  const { dir, name, ext } = path.parse(input);
  for (let n = 1; ; n++) {
    const file = path.join(dir, `${name}.${suffix}${n === 1 ? "" : `.${n}`}${ext}`);
    if (!exists(file)) return file;
  }
}
