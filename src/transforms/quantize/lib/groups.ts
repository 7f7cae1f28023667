/** Values that share one scale: what a MaxPool, Concat or Reshape takes in and gives out. */
import type { Layer } from "./layer.ts";

export interface Group {
  /** Its first value's name. */
  readonly id: string;
  /** Values whose ranges together are the group's; the others are made of these. */
  readonly sources: readonly string[];
}

/** The group of every value that becomes codes. */
export function groupsOf(layers: readonly Layer[]): ReadonlyMap<string, Group> {
  const parent = new Map<string, string>();
  const root = (value: string): string => {
    let at = value;
    for (;;) {
      const up = parent.get(at) ?? at;
      if (up === at) return at;
      at = up;
    }
  };
  const made = new Set<string>();
  const add = (value: string): void => {
    if (!parent.has(value)) parent.set(value, value);
  };
  for (const { kind, inputs, output, rounds } of layers) {
    inputs.forEach(add);
    if (rounds) add(output);
    if (kind !== "share") continue;
    made.add(output);
    for (const input of inputs) parent.set(root(output), root(input));
  }
  const members = new Map<string, string[]>();
  for (const value of parent.keys()) {
    const list = members.get(root(value));
    if (list) list.push(value);
    else members.set(root(value), [value]);
  }
  const groups = new Map<string, Group>();
  for (const values of members.values()) {
    const group = { id: values[0] ?? "", sources: values.filter((value) => !made.has(value)) };
    for (const value of values) groups.set(value, group);
  }
  return groups;
}
