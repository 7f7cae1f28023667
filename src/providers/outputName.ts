/** Names of files that commands write: beside the input, and never one that is there already. */
import { existsSync } from "node:fs";
import { extensionOf, kindOf, withoutExtension, type ModelKind } from "../shared/modelPath.ts";

/** `model.onnx` → `model.w4.onnx`, or with a number when that exists. */
export function outputBeside(
  input: string,
  suffix: string,
  exists: (file: string) => boolean = existsSync,
): string {
  const stem = withoutExtension(input);
  const extension = input.slice(stem.length);
  for (let n = 1; ; n++) {
    const file = `${stem}.${suffix}${n === 1 ? "" : `.${n}`}${extension}`;
    if (!exists(file)) return file;
  }
}

/** `model.safetensors.index.json` → `model.safetensors`; with the suffix where the extension stays. */
export function convertedName(
  input: string,
  kind: ModelKind,
  suffix: string,
  exists: (file: string) => boolean = existsSync,
): string {
  const stem = withoutExtension(input);
  const extension = extensionOf(kind);
  const plain = kindOf(input) === kind ? [] : [`${stem}${extension}`];
  for (let n = 1; ; n++) {
    const numbered = `${stem}.${suffix}${n === 1 ? "" : `.${n}`}${extension}`;
    const free = [...plain, numbered].find((file) => !exists(file));
    if (free !== undefined) return free;
  }
}
