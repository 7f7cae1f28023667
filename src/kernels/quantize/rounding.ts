/** To the nearest whole number, half to even: how ONNX and numpy round. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}
