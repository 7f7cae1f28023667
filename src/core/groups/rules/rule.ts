/** What an operator does with channels. A rule sets its outputs; what it leaves out carries none. */
import { nodeLabel, type GraphNode } from "../../model.ts";
import type { Tags } from "../atoms.ts";
import type { Tracer } from "../tracer.ts";

export type Rule = (t: Tracer, node: GraphNode) => void;
export type RuleTable = Readonly<Record<string, Rule>>;

export const labelOf = (t: Tracer, node: GraphNode): string => nodeLabel(t.graph.path, node);
export const at = (t: Tracer, node: GraphNode): string => `${node.op} "${labelOf(t, node)}"`;
export const input = (node: GraphNode, i: number): string => node.inputs[i] ?? "";
export const output = (node: GraphNode, i = 0): string => node.outputs[i] ?? "";

/** Every channel of every input stays. */
export function pinInputs(t: Tracer, node: GraphNode, reason: string): void {
  for (const name of node.inputs) t.pin(name, reason);
}

/** Output 0 (and others of the same shape) carries what input 0 does. */
export const pass: Rule = (t, node) => {
  for (const name of node.outputs) t.set(name, t.allTags(input(node, 0)));
};

/** Passes the first `count` axes on; what follows (height, width) carries no channels. */
export const passAxes =
  (count: number): Rule =>
  (t, node) =>
    t.set(
      output(node),
      t.allTags(input(node, 0)).map((tags, axis) => (axis < count ? tags : null)),
    );

/** Passes all axes on, but pins those that the operator mixes. */
export function passExcept(
  t: Tracer,
  node: GraphNode,
  mixed: (axis: number) => boolean,
  what: string,
): void {
  const all = t.allTags(input(node, 0));
  all.forEach((tags, axis) => {
    if (mixed(axis)) t.atoms.pin(tags, `${at(t, node)} ${what}`);
  });
  t.set(output(node), all);
}

/** The one that carries channels, or neither. */
export const either = (a: Tags | null, b: Tags | null): Tags | null => a ?? b;
