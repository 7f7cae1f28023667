/** Which values inside one model are which values of another, so that they can be compared on data. */
import type { Matching, Placed } from "./matching.ts";
import { nodeLabel, type GraphNode } from "./model.ts";

export interface MatchedValue {
  /** Name in the model before, and after. */
  readonly before: string;
  readonly after: string;
  /** What it is made from before, other nodes of its group left out. */
  readonly inputs: readonly string[];
  /** The node that makes it before. */
  readonly label: string;
  /** "Conv", or "Conv + BatchNormalization → Conv" where nodes belong together. */
  readonly op: string;
}

export interface MatchedValues {
  /** Of the main graphs, in the order of the model before. */
  readonly values: readonly MatchedValue[];
  /** Matched nodes inside bodies of If, Loop and Scan: the runtime gives their values to nobody. */
  readonly inSubgraphs: number;
}

export function matchedValues(
  matching: Matching,
  opsText: (side: readonly Placed[]) => string,
): MatchedValues {
  const values = new Map<GraphNode, MatchedValue[]>();
  const grouped = new Set<GraphNode>();
  const add = (a: Placed, b: Placed, op: string, inputs: readonly string[]): void => {
    const names = a.node.outputs.flatMap((before, i) => {
      const after = b.node.outputs[i] ?? "";
      return before === "" || after === "" ? [] : [{ before, after }];
    });
    values.set(
      a.node,
      names.map((name) => ({ ...name, inputs, label: nodeLabel(a.graph.path, a.node), op })),
    );
  };
  let inSubgraphs = 0;
  for (const { kind, before, after } of matching.groups) {
    if (kind !== "replaced" && kind !== "absorbed") continue;
    for (const { node } of before) grouped.add(node);
    const [a, b] = [before.at(-1), after.at(-1)];
    if (!a || !b || a.graph.path.length > 0) continue;
    // Of several outputs nobody knows which stands for which.
    if (a.node.op === b.node.op || (a.node.outputs.length === 1 && b.node.outputs.length === 1))
      add(a, b, `${opsText(before)} → ${opsText(after)}`, inputsOf(before));
  }
  for (const { before, after } of matching.pairs) {
    if (before.graph.path.length > 0) inSubgraphs++;
    else if (!grouped.has(before.node)) add(before, after, before.node.op, inputsOf([before]));
  }
  const order = [...new Set(matching.pairs.map(({ before }) => before.graph))];
  const main =
    order.find(({ path }) => path.length === 0) ??
    matching.groups.flatMap(({ before }) => before).find(({ graph }) => graph.path.length === 0)
      ?.graph;
  return {
    values: (main?.nodes ?? []).flatMap((node) => values.get(node) ?? []),
    inSubgraphs,
  };
}

/** Values that a group takes from outside. */
function inputsOf(group: readonly Placed[]): readonly string[] {
  const own = new Set(group.flatMap(({ node }) => node.outputs));
  return group.flatMap(({ node }) => node.inputs).filter((name) => name !== "" && !own.has(name));
}
