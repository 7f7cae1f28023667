/** What is written in the boxes of a picture, and what the recipe changed in them. */
import { graphKey, nodeKey, type Graph, type GraphNode, type Tensor } from "../../core/model.ts";
import { inferShapes, type ShapeTable } from "../../core/shapeInference.ts";
import type { Group, Member } from "../../layout/groups.ts";
import type { Item, ItemGraph } from "../../layout/items.ts";
import type { BoxText } from "../../layout/boxText.ts";
import { formatCount } from "../../shared/format.ts";
import type { GraphBox } from "../../shared/graphView.ts";
import type { Materialized } from "../env.ts";
import { clip } from "./answer.ts";
import { opName } from "./nodes.ts";

/** A graph prepared for drawing. */
export interface Drawn {
  readonly graph: Graph;
  readonly items: ItemGraph;
  readonly root: Group;
  readonly shared: Uint8Array;
  /** Items by every name they may be called. */
  readonly names: () => ReadonlyMap<string, readonly number[]>;
}

const MAX_CHARS = 28;
const dims = (shape: readonly (number | string | null)[]): string =>
  shape.length === 0 ? "scalar" : shape.map((dim) => dim ?? "?").join("×");
const countOf = (tensor: Tensor): number => tensor.shape.reduce((product, dim) => product * dim, 1);

export class GraphTexts {
  readonly #drawn: Drawn;
  readonly #shapes: ShapeTable;
  readonly #texts = new Map<Member, BoxText>();
  readonly #before: ReadonlyMap<string, GraphNode> | null;

  constructor({ model, base }: Materialized, drawn: Drawn) {
    this.#drawn = drawn;
    this.#shapes = inferShapes(model);
    const before = model === base ? null : base.graphs.get(graphKey(drawn.graph.path));
    this.#before =
      model === base ? null : new Map((before?.nodes ?? []).map((node) => [nodeKey(node), node]));
  }

  of(member: Member): BoxText {
    const known = this.#texts.get(member);
    if (known) return known;
    const text = typeof member === "number" ? this.#itemText(member) : groupText(member);
    this.#texts.set(member, text);
    return text;
  }

  #itemText(index: number): BoxText {
    const item = this.#drawn.items.items[index];
    if (!item) return { title: "", detail: "" };
    if (!item.node)
      return { title: shortened(item.key, MAX_CHARS), detail: this.#valueText(item.key) };
    const [largest] = [...item.weights].sort((a, b) => countOf(b) - countOf(a));
    const type = largest && largest.dtype.name !== "float32" ? `${largest.dtype.name} ` : "";
    // A number or a short list of them (an axis, a target shape) says nothing as a shape.
    const worth = largest !== undefined && countOf(largest) > 8;
    return {
      title: clip(opName(item.node), MAX_CHARS),
      detail:
        item.bodies.length > 0
          ? shortened(item.bodies.map(({ title }) => title).join(", "), MAX_CHARS)
          : worth
            ? `${type}${dims(largest.shape)}`
            : "",
    };
  }

  #valueText(name: string): string {
    const { path } = this.#drawn.graph;
    const dtype = this.#shapes.dtypeOf(path, name)?.name;
    const shape = this.#shapes.shapeOf(path, name);
    return clip(`${dtype ?? "unknown"} ${shape ? dims(shape) : "…"}`, 40);
  }

  /** How a value is called beside those who use it without a line. */
  valueOf(index: number): string {
    const item = this.#drawn.items.items[index];
    return this.short(item?.node ? nodeKey(item.node) : (item?.key ?? ""));
  }

  /** The last scope of a name, without the exporter's "_output_0". */
  short(name: string): string {
    const last =
      name
        .split("/")
        .filter((part) => part !== "")
        .at(-1) ?? name;
    return shortened(last.replace(/_output_\d+$/, ""), 22);
  }

  outputOf(member: Member): string {
    const item = typeof member === "number" ? this.#drawn.items.items[member] : undefined;
    return item?.node ? this.#valueText(nodeKey(item.node)) : "";
  }

  changeOf(member: Member): Pick<GraphBox, "change" | "changed"> {
    if (typeof member === "number")
      return { change: this.#changeOfItem(this.#drawn.items.items[member]), changed: 0 };
    let changed = 0;
    const count = (group: Group): void => {
      for (const inner of group.members)
        if (typeof inner !== "number") count(inner);
        else if (this.#changeOfItem(this.#drawn.items.items[inner])) changed++;
    };
    if (this.#before) count(member);
    return { change: null, changed };
  }

  #changeOfItem(item: Item | undefined): GraphBox["change"] {
    const before = this.#before;
    if (!before || !item?.node) return null;
    const known = before.get(nodeKey(item.node));
    if (!known) return "new";
    // Its weight is decoded by a node that was not there.
    const decoded = item.absorbed.some((node) => before.get(nodeKey(node)) !== node);
    return known !== item.node || decoded ? "replaced" : null;
  }
}

function groupText({ title, repeats, kinds, size }: Group): BoxText {
  const nodes = `${formatCount(size)} ${size === 1 ? "node" : "nodes"}`;
  const short = shortened(title, MAX_CHARS);
  if (repeats === 0) return { title: short, detail: nodes };
  return {
    title: `${short} ×${repeats}`,
    detail: kinds > 1 ? `${nodes}, ${kinds} kinds` : nodes,
  };
}

/** The end of a name tells more than its beginning. */
const shortened = (text: string, limit: number): string =>
  text.length <= limit ? text : `…${text.slice(1 - limit)}`;
