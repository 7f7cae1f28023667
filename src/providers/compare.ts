/** Which models belong together by their names, and which of two is "before". */
import path from "node:path";

/** `[before, after]`: the one that the other's name was made from comes first. `tiny.onnx` comes before `tiny.w4.onnx`, whatever the order of selection. */
export function beforeAndAfter(a: string, b: string): readonly [string, string] {
  const stem = (file: string): string => path.parse(file).name;
  return stem(a).startsWith(`${stem(b)}.`) ? [b, a] : [a, b];
}

/** How near a model is to another: 2 beside it and made from the same name, 1 beside it, else 0. */
export function kinship(file: string, near: string | undefined): number {
  if (near === undefined || path.dirname(file) !== path.dirname(near)) return 0;
  const first = (name: string): string => path.basename(name).split(".")[0] ?? "";
  return first(file) === first(near) ? 2 : 1;
}
