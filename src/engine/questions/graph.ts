/** One picture of a graph, in parts of less than a message each; the same level gives the same picture. */
import { graphKey, nodeLabel, type Graph, type GraphPath, type Model } from "../../core/model.ts";
import { foldGraph, type Group, type Member } from "../../layout/groups.ts";
import { itemsOf, namesOf } from "../../layout/items.ts";
import { namedLines } from "../../layout/boxText.ts";
import { placeView, type PlacedView } from "../../layout/view.ts";
import { usageErrors } from "../../shared/errors.ts";
import {
  MAX_UNFOLDED,
  type GraphBox,
  type GraphEdge,
  type GraphLevel,
  type GraphPart,
  type GraphQueries,
} from "../../shared/graphView.ts";
import type { Answer, Params } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv, Materialized } from "../env.ts";
import { clip } from "./answer.ts";
import { GraphTexts, type Drawn } from "./graphTexts.ts";

/** Characters of JSON in one part: a third of a message, because one may take three bytes. */
const PART_CHARS = 300_000;
/** Boxes up to which "auto" opens another level of groups. */
const READABLE_BOXES = 48;
const MAX_NAMES = 1000;
const MAX_NAME_CHARS = 1000;

interface Picture {
  readonly drawn: Drawn;
  readonly view: PlacedView;
  readonly open: readonly string[];
  readonly parts: readonly Pick<GraphPart, "boxes" | "edges" | "links">[];
}

export async function graph(
  p: Params<GraphQueries, "graph">,
  env: EngineEnv,
  task: Task,
): Promise<GraphPart> {
  const state = await env.open(p.doc, task);
  const { drawn, view, open, parts } = pictureOf(state, p, p.reveal);
  const { graph: own, items } = drawn;
  const revealed = p.reveal === null ? undefined : itemWithKey(drawn, p.reveal);
  return {
    part: p.part,
    parts: parts.length,
    width: view.width,
    height: view.height,
    path: pathTo(state.model, own.path),
    open,
    groups: countGroups(drawn.root) - 1,
    nodes: own.nodes.length,
    constants: own.nodes.length - items.items.filter((item) => item.kind === "node").length,
    revealed: revealed === undefined ? null : (view.boxOf[revealed] ?? null),
    ...(parts[p.part] ?? { boxes: [], edges: [], links: [] }),
  };
}

export async function graphNames(
  p: Params<GraphQueries, "graphNames">,
  env: EngineEnv,
  task: Task,
): Promise<Answer<GraphQueries, "graphNames">> {
  const state = await env.open(p.doc, task);
  const { drawn, view } = pictureOf(state, p, null);
  const { names } = drawn;
  return {
    boxes: p.names.slice(0, MAX_NAMES).map((name) => {
      const boxes = (names().get(name) ?? []).map((item) => view.boxOf[item] ?? -1);
      return [...new Set(boxes)].filter((box) => box >= 0);
    }),
  };
}

const drawings = new WeakMap<Model, Map<string, Drawn>>();

function drawnOf(state: Materialized, { doc, graph: id, fold }: GraphLevel): Drawn {
  const { model } = state;
  const byLevel = drawings.get(model) ?? new Map<string, Drawn>();
  drawings.set(model, byLevel);
  const known = byLevel.get(`${fold} ${id}`);
  if (known) return known;
  const own = model.graphs.get(id);
  if (!own) throw usageErrors.unknownNode(doc.base.path, id);
  const items = itemsOf(model, own);
  const { root, shared } = foldGraph(items);
  const flat: Group = { ...root, members: items.items.map((_, v) => v) };
  let names: ReadonlyMap<string, readonly number[]> | null = null;
  const drawn: Drawn = {
    graph: own,
    items,
    root: fold || items.items.length > MAX_UNFOLDED ? root : flat,
    shared,
    names: () => (names ??= indexNames(model, own, items.items)),
  };
  byLevel.set(`${fold} ${id}`, drawn);
  return drawn;
}

function indexNames(
  model: Model,
  own: Graph,
  items: Drawn["items"]["items"],
): ReadonlyMap<string, readonly number[]> {
  const index = new Map<string, number[]>();
  items.forEach((item, v) => {
    for (const name of namesOf(model, own.path, item)) {
      const list = index.get(name);
      if (list) list.push(v);
      else index.set(name, [v]);
    }
  });
  return index;
}

/** The last pictures of each model: parts and names are asked for right after the first part. */
const pictures = new WeakMap<Model, Map<string, Picture>>();
const KEPT_PICTURES = 4;

function pictureOf(state: Materialized, level: GraphLevel, reveal: string | null): Picture {
  const { model } = state;
  const known = pictures.get(model) ?? new Map<string, Picture>();
  pictures.set(model, known);
  const key = JSON.stringify([level.graph, level.open, level.fold, reveal]);
  const found = known.get(key);
  if (found) return found;
  const drawn = drawnOf(state, level);
  const open = openGroups(drawn, level.open, reveal);
  const texts = new GraphTexts(state, drawn);
  const view = placeView({
    root: drawn.root,
    graph: drawn.items.graph,
    shared: drawn.shared,
    textOf: (member) => texts.of(member),
    valueOf: (item) => texts.valueOf(item),
    captured: (item) => (drawn.items.items[item]?.captured ?? []).map((name) => texts.short(name)),
    isOpen: (group) => open.has(group.id),
  });
  const picture: Picture = { drawn, view, open: [...open], parts: partsOf(drawn, view, texts) };
  known.set(key, picture);
  const [oldest] = known.keys();
  if (known.size > KEPT_PICTURES && oldest !== undefined) known.delete(oldest);
  return picture;
}

function openGroups(drawn: Drawn, wanted: GraphLevel["open"], reveal: string | null): Set<string> {
  const open = new Set<string>();
  if (wanted === "auto" || wanted === "all") {
    const limit = wanted === "all" ? MAX_UNFOLDED : READABLE_BOXES;
    let level = groupsIn(drawn.root);
    let boxes = drawn.root.members.length;
    while (level.length > 0) {
      const more = level.reduce((sum, group) => sum + group.members.length, 0);
      if (boxes + more > limit) break;
      boxes += more;
      for (const group of level) open.add(group.id);
      level = level.flatMap(groupsIn);
    }
  } else {
    const named = new Set(wanted);
    const visit = (group: Group): void => {
      for (const inner of groupsIn(group))
        if (named.has(inner.id)) {
          open.add(inner.id);
          visit(inner);
        }
    };
    visit(drawn.root);
  }
  const item = reveal === null ? undefined : itemWithKey(drawn, reveal);
  if (item !== undefined)
    for (const group of pathToItem(drawn.root, item) ?? []) open.add(group.id);
  return open;
}

const groupsIn = (group: Group): Group[] =>
  group.members.filter((member) => typeof member !== "number");
const countGroups = (group: Group): number =>
  groupsIn(group).reduce((sum, inner) => sum + countGroups(inner), 1);

/** Groups from the outermost to the one that holds `item`. */
function pathToItem(group: Group, item: number): Group[] | null {
  for (const member of group.members) {
    if (member === item) return [];
    if (typeof member === "number") continue;
    const inside = pathToItem(member, item);
    if (inside) return [member, ...inside];
  }
  return null;
}

function itemWithKey({ items, graph: own }: Drawn, key: string): number | undefined {
  const direct = items.items.findIndex((item) => item.key === key && item.kind === "node");
  if (direct >= 0) return direct;
  const hidden = own.nodes.find((node) => node.outputs.includes(key) || node.name === key);
  return hidden && items.itemOf.get(hidden);
}

function pathTo(model: Model, path: GraphPath): GraphPart["path"] {
  const steps: { graph: string; title: string }[] = [];
  for (let length = 0; length <= path.length; length += 2) {
    const at = path.slice(0, length);
    const own = model.graphs.get(graphKey(at));
    const title = length === 0 ? (own?.name ?? "") : at.slice(-2).join(" › ");
    steps.push({ graph: graphKey(at), title: clip(title, 120) });
  }
  return steps;
}

function partsOf(drawn: Drawn, view: PlacedView, texts: GraphTexts): Picture["parts"] {
  const parts: { boxes: GraphBox[]; edges: GraphEdge[]; links: number[] }[] = [];
  let part = { boxes: [] as GraphBox[], edges: [] as GraphEdge[], links: [] as number[] };
  let chars = 0;
  const room = (size: number): void => {
    if (chars > 0 && chars + size > PART_CHARS) {
      parts.push(part);
      part = { boxes: [], edges: [], links: [] };
      chars = 0;
    }
    chars += size;
  };
  view.boxes.forEach((placed) => {
    const box: GraphBox = {
      ...identity(drawn, placed.member),
      title: placed.text.title,
      detail: placed.text.detail,
      lines: placed.open ? [] : namedLines(placed.named, placed.usedElsewhere),
      output: texts.outputOf(placed.member),
      parent: placed.parent,
      open: placed.open,
      x: placed.x,
      y: placed.y,
      width: placed.width,
      height: placed.height,
      ...texts.changeOf(placed.member),
    };
    room(JSON.stringify(box).length);
    part.boxes.push(box);
  });
  for (const { from, to, points, arrow } of view.edges) {
    const edge = { from, to, points: points.flatMap(({ x, y }) => [x, y]), arrow };
    room(JSON.stringify(edge).length);
    part.edges.push(edge);
  }
  for (const [from, to] of view.links) {
    room(String(from).length + String(to).length + 2);
    part.links.push(from, to);
  }
  parts.push(part);
  return parts;
}

type Identity = Pick<GraphBox, "id" | "kind" | "name" | "key" | "repeats" | "nodes" | "bodies">;

function identity({ items, graph: own }: Drawn, member: Member): Identity {
  if (typeof member !== "number")
    return {
      id: member.id,
      kind: "group",
      name: "",
      key: "",
      repeats: member.repeats,
      nodes: member.size,
      bodies: [],
    };
  const item = items.items[member];
  return {
    id: item?.id ?? "",
    kind: item?.kind ?? "node",
    name: clip(item?.node ? nodeLabel(own.path, item.node) : (item?.key ?? ""), MAX_NAME_CHARS),
    key: item?.key ?? "",
    repeats: 0,
    nodes: 1,
    bodies: (item?.bodies ?? []).map(({ title, path }) => ({ title, graph: graphKey(path) })),
  };
}
