/** What a result must reach, listed with what it reached. */
import { bar } from "./summary.ts";

export interface Target {
  /** "KL ≤ 0.0125". */
  readonly text: string;
  readonly reached: string;
  readonly met: boolean;
}

const shown = (value: number): string => String(Number(value.toPrecision(5)));

export const atMost = (what: string, value: number | null, limit: number): Target => ({
  text: `${what} ≤ ${shown(limit)}`,
  reached: value === null ? "not measured" : shown(value),
  met: value !== null && value <= limit,
});
export const atLeast = (what: string, value: number | null, limit: number): Target => ({
  text: `${what} ≥ ${shown(limit)}`,
  reached: value === null ? "not measured" : shown(value),
  met: value !== null && value >= limit,
});

/** List items for a section; a contender that failed meets nothing. */
export function targetList(name: string, targets: readonly Target[] | string): string[] {
  if (typeof targets === "string") return [bar(`- ${name}: ${targets}`, false)];
  return targets.map(({ text, reached, met }) => `- ${bar(`${name}: ${text} (${reached})`, met)}`);
}
