/** A model's own functions: which of them a node calls. From IR 10 on, overloads of one name differ. */
import type { FunctionInfo, GraphNode, Model } from "./model.ts";

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
