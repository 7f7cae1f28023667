/** A box in words: for its tooltip, and for who hears the graph instead of seeing it. */
import { formatCount } from "../../../src/shared/format.ts";
import type { GraphBox } from "../../../src/shared/graphView.ts";
import { capital } from "../name.ts";
import { strings } from "../../strings.ts";
import { formatValue, type Colouring } from "./colours.ts";
import type { Scene } from "./scene.ts";

const text = strings.graph;

/** The name without what the operator already says. */
const nameOf = (box: GraphBox): string =>
  box.kind === "node" && box.name !== "" && box.name !== box.title ? box.name : "";

export function describe(scene: Scene, index: number, colouring: Colouring | null): string {
  const box = scene.boxes[index];
  if (!box) return "";
  const value = colouring?.values.get(index);
  const parts = [
    box.kind === "group" ? `${box.title}, ${box.detail}` : `${text.kinds[box.kind]}${box.title}`,
    nameOf(box),
    box.kind !== "group" && box.detail !== "" ? text.holds(box.kind, box.detail) : "",
    box.change === null ? "" : text.changed[box.change],
    box.changed > 0 ? text.changedInside(box.changed) : "",
    value !== undefined && colouring
      ? `${colouring.metric.title} ${formatValue(colouring.metric, value)}`
      : "",
    text.connected(scene.producersOf(index).length, scene.consumersOf(index).length),
    box.bodies.length > 0 ? text.hasBodies(box.bodies.map(({ title }) => title).join(", ")) : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

export interface Fact {
  readonly term: string;
  readonly value: string;
}

export function factsOf(scene: Scene, index: number, colouring: Colouring | null): Fact[] {
  const box = scene.boxes[index];
  if (!box) return [];
  const value = colouring?.values.get(index);
  const names = (list: readonly number[]): string => {
    const shown = list.slice(0, 4).map((i) => scene.boxes[i]?.title ?? "");
    return list.length > 4
      ? `${shown.join(", ")}, ${strings.more(list.length - 4)}`
      : shown.join(", ");
  };
  const facts: Fact[] = [
    { term: text.name, value: nameOf(box) },
    {
      // Of a node with subgraphs their names stand where a weight's shape stands otherwise.
      term: box.kind === "node" && box.bodies.length === 0 ? text.weight : text.contents,
      value: box.detail,
    },
    { term: text.output, value: box.output },
    { term: text.from, value: names(scene.producersOf(index)) },
    { term: text.to, value: names(scene.consumersOf(index)) },
    {
      term: text.recipe,
      value: box.change
        ? strings.change[box.change]
        : box.changed > 0
          ? text.changedOf(formatCount(box.changed), formatCount(box.nodes))
          : "",
    },
    {
      term: capital(colouring?.metric.title ?? ""),
      value: value !== undefined && colouring ? formatValue(colouring.metric, value) : "",
    },
  ];
  return facts.filter(({ value: content }) => content !== "");
}
