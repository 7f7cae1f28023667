/** What the graph page draws: boxes, lines and names of one picture of one graph. */
import type { Doc } from "./doc.ts";

/** A graph of more items is always folded, whatever is asked for. */
export const MAX_UNFOLDED = 20_000;

/** Which picture: the same document and level give the same boxes in the same places. */
export interface GraphLevel {
  readonly doc: Doc;
  /** JSON of the graph's path; "[]" is the main graph. */
  readonly graph: string;
  /** Ids of open groups; "auto": as many levels as stay readable; "all": down to the nodes. */
  readonly open: readonly string[] | "auto" | "all";
  /** False: every node by itself, no groups. */
  readonly fold: boolean;
}

export interface GraphBox {
  /** The same for each state of a document, so that a picture can be compared with the next one. */
  readonly id: string;
  readonly kind: "node" | "group" | "input" | "output";
  /** Operator, value name or title of the group. */
  readonly title: string;
  /** Shape of the largest weight or of the value, or what is in the group. */
  readonly detail: string;
  /** The node's label; "" for groups. */
  readonly name: string;
  /** Key of the node or name of the value; "" for groups. */
  readonly key: string;
  /** Values that come in by name, and that go out by name: a line of text for each. */
  readonly lines: readonly string[];
  /** Element type and shape of the first output, as text. */
  readonly output: string;
  /** Index of the open group around it, -1 at the top. */
  readonly parent: number;
  readonly open: boolean;
  /** Repetitions of a repeated block; 0 for anything else. */
  readonly repeats: number;
  /** Nodes inside a group; 1 for a node. */
  readonly nodes: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** What the recipe did to the node. */
  readonly change: "new" | "replaced" | null;
  /** Changed nodes inside a group. */
  readonly changed: number;
  /** Graphs inside the node (If, Loop, Scan). */
  readonly bodies: readonly { readonly title: string; readonly graph: string }[];
}

export interface GraphEdge {
  readonly from: number;
  readonly to: number;
  /** x and y of each point in turn. */
  readonly points: readonly number[];
  readonly arrow: boolean;
}

/** One message of a picture; all parts together are the picture. */
export interface GraphPart {
  readonly part: number;
  readonly parts: number;
  readonly width: number;
  readonly height: number;
  /** Graphs from the main one to this one. */
  readonly path: readonly { readonly graph: string; readonly title: string }[];
  /** Ids of the groups that are open in it. */
  readonly open: readonly string[];
  /** Groups there are, open or not, visible or not. */
  readonly groups: number;
  /** Nodes of this graph, and how many of them are constants drawn with their users. */
  readonly nodes: number;
  readonly constants: number;
  /** The box that shows the node asked for by `reveal`. */
  readonly revealed: number | null;
  readonly boxes: readonly GraphBox[];
  readonly edges: readonly GraphEdge[];
  /** Boxes in pairs: the second uses what the first makes. */
  readonly links: readonly number[];
}

export interface GraphQueries {
  /** `reveal`: key of a node whose groups are opened too. */
  graph(p: GraphLevel & { reveal: string | null; part: number }): GraphPart;
  /** Boxes that show what each name (node, value, weight, unit) means; at most 1,000 names. */
  graphNames(p: GraphLevel & { names: readonly string[] }): {
    boxes: readonly (readonly number[])[];
  };
}
