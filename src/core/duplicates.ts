/** Initializers with the same type, shape and bytes: all uses go to the first. */
import type { WorkContext } from "./context.ts";
import {
  graphKey,
  graphsOutsideIn,
  isOverridable,
  type Graph,
  type GraphPath,
  type Model,
  type Tensor,
} from "./model.ts";
import { isOutput, scopeOf } from "./scope.ts";

export interface Held {
  readonly graph: Graph;
  readonly tensor: Tensor;
}
export interface Duplicate {
  readonly path: GraphPath;
  readonly name: string;
  readonly sizeBytes: number;
  /** Visible wherever the duplicate is. */
  readonly keep: string;
}

/** Groups of initializers that could be equal, outer graphs first. */
export function alike(model: Model): readonly (readonly Held[])[] {
  const groups = new Map<string, Held[]>();
  for (const graph of graphsOutsideIn(model))
    for (const [name, tensor] of graph.tensors) {
      if (isOverridable(model, graph, name) || tensor.dtype.kind === "string") continue;
      const key = `${tensor.dtype.name} ${tensor.shape.join()}`;
      const group = groups.get(key);
      if (group) group.push({ graph, tensor });
      else groups.set(key, [{ graph, tensor }]);
    }
  // Every use will say the name that is kept: of one graph's names the shortest.
  const order = (a: Held, b: Held): number =>
    a.graph.path.length - b.graph.path.length || a.tensor.name.length - b.tensor.name.length;
  return [...groups.values()].filter((group) => group.length > 1).map((group) => group.sort(order));
}

const sees = (inner: GraphPath, outer: GraphPath): boolean =>
  outer.every((part, i) => inner[i] === part);

/** Type, field tags and lengths of an initializer in the file. */
const TENSOR_BYTES = 12;
/** A scalar can be smaller than the longer name that its uses would have to spell. */
function shrinks(model: Model, { graph, tensor }: Held, keep: string): boolean {
  const uses = scopeOf(model).uses(graph.path, tensor.name).length;
  const { length } = tensor.name;
  return uses * (keep.length - length) < tensor.sizeBytes + length + TENSOR_BYTES;
}

function* pairs(
  model: Model,
  group: readonly Held[],
  same: (a: Tensor, b: Tensor) => boolean,
): Generator<Duplicate> {
  const kept: Held[] = [];
  for (const held of group) {
    const { graph, tensor } = held;
    const first = isOutput(model, graph.path, tensor.name)
      ? undefined
      : kept.find(
          (k) =>
            sees(graph.path, k.graph.path) &&
            same(k.tensor, tensor) &&
            shrinks(model, held, k.tensor.name),
        );
    if (!first) kept.push(held);
    else
      yield {
        path: graph.path,
        name: tensor.name,
        sizeBytes: tensor.sizeBytes,
        keep: first.tensor.name,
      };
  }
}

/** Those among tensors small enough to be in memory, and whether larger ones remain to be compared. */
export function findDuplicates(model: Model): {
  readonly known: readonly Duplicate[];
  readonly open: number;
} {
  const groups = alike(model);
  const same = (a: Tensor, b: Tensor): boolean =>
    a.at instanceof Uint8Array && b.at instanceof Uint8Array && equal(a.at, b.at);
  const known = groups.flatMap((group) => [...pairs(model, group, same)]);
  const large = groups.filter((group) => group.some(({ tensor }) => isLarge(tensor)));
  return { known, open: large.reduce((sum, group) => sum + group.length, 0) };
}
const isLarge = (tensor: Tensor): boolean => !(tensor.at instanceof Uint8Array);

/** Bytes compared at once; the first piece tells nearly all different weights apart. */
const FIRST_BYTES = 4096;
const PIECE_BYTES = 8 * 1024 * 1024;

export async function compareDuplicates(
  model: Model,
  ctx: WorkContext,
): Promise<readonly Duplicate[]> {
  const out: Duplicate[] = [];
  for (const group of alike(model)) out.push(...(await compareGroup(model, group, ctx)));
  return out;
}

/** The duplicates among tensors of one type and shape. */
export async function compareGroup(
  model: Model,
  group: readonly Held[],
  ctx: WorkContext,
): Promise<readonly Duplicate[]> {
  const classes = await classesOf(group, ctx);
  const same = (a: Tensor, b: Tensor): boolean => classes.get(a) === classes.get(b);
  return [...pairs(model, group, same)];
}

/** A number per tensor, equal for equal bytes. */
export async function classesOf(
  group: readonly { readonly tensor: Tensor }[],
  ctx: WorkContext,
): Promise<ReadonlyMap<Tensor, number>> {
  const classes = new Map<Tensor, number>();
  const firsts: { readonly tensor: Tensor; readonly head: Uint8Array }[] = [];
  for (const { tensor } of group) {
    await ctx.checkpoint();
    const head = await ctx.readBytes(tensor, 0, Math.min(FIRST_BYTES, tensor.sizeBytes));
    let found = -1;
    for (const [i, first] of firsts.entries())
      if (equal(first.head, head) && (await equalBytes(first.tensor, tensor, ctx))) found = i;
    if (found < 0) found = firsts.push({ tensor, head: head.slice() }) - 1;
    classes.set(tensor, found);
  }
  return classes;
}

async function equalBytes(a: Tensor, b: Tensor, ctx: WorkContext): Promise<boolean> {
  for (let at = FIRST_BYTES; at < a.sizeBytes; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, a.sizeBytes - at);
    if (!equal(await ctx.readBytes(a, at, length), await ctx.readBytes(b, at, length)))
      return false;
    await ctx.checkpoint();
  }
  return true;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Duplicates by the graph they are in. */
export function byGraph(duplicates: readonly Duplicate[]): readonly (readonly Duplicate[])[] {
  const groups = new Map<string, Duplicate[]>();
  for (const duplicate of duplicates) {
    const key = graphKey(duplicate.path);
    const group = groups.get(key);
    if (group) group.push(duplicate);
    else groups.set(key, [duplicate]);
  }
  return [...groups.values()];
}
