/** Attributes of a node by kind; null where it has none of that name and kind. */
import type { GraphNode } from "./model.ts";

export function intAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "int" ? attr.value : null;
}
export function floatAttr(node: GraphNode, name: string): number | null {
  const attr = node.attrs[name];
  return attr?.kind === "float" ? attr.value : null;
}
