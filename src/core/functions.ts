/** A model's own functions: which of them a node calls. From IR 10 on, overloads of one name differ. */
import type { FunctionInfo, Graph, GraphNode, Model } from "./model.ts";

type Called = Pick<FunctionInfo, "domain" | "name" | "overload">;

/** For maps: domain, name and overload together are what a function is known by. */
const keyOf = ({ domain, name, overload }: Called): string =>
  JSON.stringify([domain, name, overload]);
export const functionKey = (f: Called): string => keyOf(f);
/** The key of the function that a node calls, if it calls one. */
export const calleeKey = ({ domain, op, overload = "" }: GraphNode): string =>
  keyOf({ domain, name: op, overload });

/** "domain.name", with its overload where it has one; for people. */
export const functionName = ({ domain, name, overload }: Called): string =>
  `${domain}.${name}${overload === "" ? "" : `:${overload}`}`;

/** Finds the function that a node calls; of two with one key neither counts. */
export function functionsOf(model: Model): (node: GraphNode) => FunctionInfo | undefined {
  const found = new Map<string, FunctionInfo>();
  const twice = new Set<string>();
  for (const f of model.functions) {
    const key = keyOf(f);
    if (found.has(key)) twice.add(key);
    found.set(key, f);
  }
  for (const key of twice) found.delete(key);
  // Most models have none, and this is asked of every node.
  return found.size === 0 ? () => undefined : (node) => found.get(calleeKey(node));
}

/** How many nodes a graph has after every call of a function has become the function's nodes. */
export interface Expansion {
  /** Nodes of the main graph and its subgraphs, calls expanded; Infinity where a number ends. */
  readonly nodes: number;
  /** The function called there that becomes the most nodes; null where none is called. */
  readonly largest: FunctionInfo | null;
}

/**
 * Counts without expanding: each function once. Functions that call themselves, which no runtime
 * takes, count as if the inner call were not there.
 */
export function expansionOf(model: Model): Expansion {
  const functionOf = functionsOf(model);
  const sizes = new Map<FunctionInfo, number>();
  const tally = (graphs: Iterable<Graph>): { own: number; calls: Map<FunctionInfo, number> } => {
    const calls = new Map<FunctionInfo, number>();
    let own = 0;
    for (const { nodes } of graphs)
      for (const node of nodes) {
        const callee = functionOf(node);
        if (callee) calls.set(callee, (calls.get(callee) ?? 0) + 1);
        else own++;
      }
    return { own, calls };
  };
  const total = ({ own, calls }: ReturnType<typeof tally>): number =>
    [...calls].reduce((sum, [callee, times]) => sum + times * (sizes.get(callee) ?? 0), own);
  const main = tally(model.graphs.values());
  const begun = new Set<FunctionInfo>();
  // Depth first without recursion: a chain may be as long as the file likes.
  const path: { f: FunctionInfo; tally: ReturnType<typeof tally>; next: FunctionInfo[] }[] = [];
  const enter = (f: FunctionInfo): void => {
    if (begun.has(f)) return;
    begun.add(f);
    const own = tally(f.graphs.values());
    path.push({ f, tally: own, next: [...own.calls.keys()] });
  };
  for (const root of main.calls.keys()) {
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const callee = top.next.pop();
      if (callee !== undefined) enter(callee);
      else {
        sizes.set(top.f, total(top.tally));
        path.pop();
      }
    }
  }
  const sizeOf = (f: FunctionInfo): number => sizes.get(f) ?? 0;
  const largest = [...main.calls.keys()].reduce<FunctionInfo | null>(
    (most, f) => (most === null || sizeOf(f) > sizeOf(most) ? f : most),
    null,
  );
  return { nodes: total(main), largest };
}
