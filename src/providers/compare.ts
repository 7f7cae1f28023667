/** Which of two models is "before": the one that the other's name was made from, else the first. */
import path from "node:path";

/** `[before, after]`. `tiny.onnx` comes before `tiny.w4.onnx`, whatever the order of selection. */
export function beforeAndAfter(a: string, b: string): readonly [string, string] {
  const stem = (file: string): string => path.parse(file).name;
  return stem(a).startsWith(`${stem(b)}.`) ? [b, a] : [a, b];
}
