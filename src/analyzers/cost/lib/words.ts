/** Figures in findings, as people read them. */

const SIZES: readonly (readonly [number, string])[] = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];
const digits = (value: number): string => String(Number(value.toPrecision(3)));

function scaled(value: number, unit: string): string {
  const found = SIZES.find(([size]) => value >= size);
  return found ? `${digits(value / found[0])} ${found[1]}${unit}` : `${digits(value)} ${unit}`;
}

/** "1.2 MB". */
export const inBytes = (bytes: number): string => scaled(bytes, "B");
/** "12.3 M"; below a thousand the number itself. */
export const inCount = (count: number): string => scaled(count, "").trimEnd();
/** "43 %". */
export const inShare = (share: number): string => `${digits(share * 100)} %`;
/** "0.42 ms", "31 µs". */
export const inMs = (ms: number): string =>
  ms >= 0.1 ? `${digits(ms)} ms` : `${digits(ms * 1000)} µs`;
