/** What is known about the channels of one graph while its nodes are visited in order. */
import { graphKey, nodeKey, type Dim, type Graph, type GraphNode, type Model } from "../model.ts";
import { scopeOf, type ConstantSource, type ScopeIndex } from "../scope.ts";
import { inferShapes, type ShapeTable } from "../shapeInference.ts";
import { Atoms, type Tags } from "./atoms.ts";

/** A constant whose axes carry channels; an axis without is null or was never asked for. */
export interface TracedTensor {
  readonly source: ConstantSource;
  /** Name of the initializer, or of the Constant node's output. */
  readonly name: string;
  readonly axes: (Tags | undefined)[];
}

/** A node that makes channels out of others, or sums over them. */
export interface Role {
  readonly node: GraphNode;
  readonly kind: "producer" | "consumer";
  /** Inputs of the node that hold the channels as data and as weight, and the weight's axis. */
  readonly data: number;
  readonly weight: number;
  readonly axis: number;
  readonly tags: Tags;
}

/** How to write down a changed dimension; called with the number of channels left on an axis. */
export type Edit =
  /** The attribute is the number of channels left on `tags` divided by `per`. */
  | {
      readonly kind: "count";
      readonly node: GraphNode;
      readonly attr: string;
      readonly tags: Tags;
      readonly per: number;
    }
  /**
   * A list of numbers, in an attribute or an input: each entry a fixed number, or what is left of
   * some channels.
   */
  | {
      readonly kind: "list";
      readonly node: GraphNode;
      readonly attr: string | null;
      readonly input: number;
      readonly entries: readonly (number | Tags)[];
      /** Channels whose change makes the edit necessary, besides those among the entries. */
      readonly touched?: readonly (Tags | null)[];
    };

export class Tracer {
  readonly model: Model;
  readonly graph: Graph;
  readonly atoms = new Atoms();
  readonly shapes: ShapeTable;
  readonly scope: ScopeIndex;
  readonly tensors = new Map<string, TracedTensor>();
  readonly values = new Map<string, readonly (Tags | null)[]>();
  readonly roles: Role[] = [];
  readonly edits: Edit[] = [];
  readonly #origins = new Map<string, string>();
  /** Layers whose weight is no constant. */
  readonly computed: GraphNode[] = [];

  constructor(model: Model, graph: Graph) {
    this.model = model;
    this.graph = graph;
    this.shapes = inferShapes(model);
    this.scope = scopeOf(model);
  }

  dims(name: string): readonly Dim[] | null {
    return name === "" ? null : this.shapes.shapeOf(this.graph.path, name);
  }
  rank(name: string): number {
    return this.dims(name)?.length ?? 0;
  }

  /** The channels along an axis (from the end when negative); null when it carries none. */
  tags(name: string, axis: number): Tags | null {
    const rank = this.rank(name);
    const at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank) return null;
    const traced = this.constant(name);
    if (!traced) return this.values.get(name)?.[at] ?? null;
    const size = traced.source.tensor.shape[at] ?? 0;
    return (traced.axes[at] ??= this.atoms.fresh(size));
  }
  allTags(name: string): (Tags | null)[] {
    return Array.from({ length: this.rank(name) }, (_, axis) => this.tags(name, axis));
  }

  constant(name: string): TracedTensor | null {
    const source = name === "" ? null : this.scope.constant(this.graph.path, name);
    if (!source) return null;
    const own = source.node ? nodeKey(source.node) : source.tensor.name;
    const key = `${graphKey(source.graph.path)}\n${own}`;
    let traced = this.tensors.get(key);
    if (!traced) this.tensors.set(key, (traced = { source, name: own, axes: [] }));
    return traced;
  }

  /** Sets the channels of a node's output; axes of unknown or other size carry none. */
  set(name: string, tags: readonly (Tags | null)[]): void {
    if (name === "") return;
    const dims = this.dims(name);
    if (!dims) {
      for (const one of tags) this.atoms.pin(one, `the rank of "${name}" is not known`);
      return;
    }
    this.values.set(
      name,
      dims.map((dim, axis) => {
        const one = tags[axis] ?? null;
        if (one && one.length !== dim) {
          this.atoms.pin(one, `the size of "${name}" along axis ${axis} is not what was expected`);
          return null;
        }
        return one;
      }),
    );
  }

  /** Nothing that this value carries may go. */
  pin(name: string, reason: string): void {
    if (name === "") return;
    const traced = this.constant(name);
    if (traced) for (const axis of traced.axes) this.atoms.pin(axis, reason);
    else for (const tags of this.values.get(name) ?? []) this.atoms.pin(tags, reason);
  }
  pinAxis(name: string, axis: number, reason: string): void {
    this.atoms.pin(this.tags(name, axis), reason);
  }

  /** The layers whose outputs a value is made of, as one text. */
  originOf(name: string): string {
    return this.#origins.get(name) ?? "";
  }
  /** To be called after a node's rule. */
  noteOrigin(node: GraphNode): void {
    const last = this.roles.at(-1);
    const makes = last?.node === node && last.kind === "producer";
    const parts = new Set(
      makes
        ? [nodeKey(node)]
        : node.inputs.flatMap((name) => this.#origins.get(name)?.split("\n") ?? []),
    );
    const origin = [...parts].sort().join("\n");
    if (origin !== "") for (const output of node.outputs) this.#origins.set(output, origin);
  }

  int(node: GraphNode, attr: string, fallback: number): number {
    const found = Object.hasOwn(node.attrs, attr) ? node.attrs[attr] : undefined;
    return found?.kind === "int" ? found.value : fallback;
  }
  /** Whole numbers from an attribute or a constant input; null when they are computed or absent. */
  ints(node: GraphNode, attr: string, input: number): readonly number[] | null {
    const found = Object.hasOwn(node.attrs, attr) ? node.attrs[attr] : undefined;
    if (found?.kind === "ints") return found.value;
    if (found?.kind === "int") return [found.value];
    const elements = this.shapes.elementsOf(this.graph.path, node.inputs[input] ?? "");
    return elements?.every((x) => typeof x === "number") === true ? elements : null;
  }
  isConstant(name: string): boolean {
    return this.constant(name) !== null;
  }
}
