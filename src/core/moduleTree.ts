/**
 * The modules that tensors' names tell of: "model.layers.0.attn.q_proj.weight" is the weight of a
 * projection in the attention of layer 0. Names are cut at points and slashes; a body's tensors are
 * below the way into it. A chain of modules that hold one module each is one module, as in a list of
 * folders.
 */
import type { Model } from "./model.ts";
import { tensorTable, type TensorEntry } from "./tensorTable.ts";

export interface Module {
  /** Unique in its tree; the parts of the way to it. "" for the root. */
  readonly id: string;
  /** As the names write it, without what its parent is called: "model.layers", "0". */
  readonly label: string;
  readonly modules: readonly Module[];
  /** Its own, without those of its modules, in file order. */
  readonly tensors: readonly ModuleTensor[];
  /** Of all below. */
  readonly count: number;
  readonly sizeBytes: number;
}
export interface ModuleTensor {
  readonly entry: TensorEntry;
  /** The end of the name: "weight". */
  readonly label: string;
}

interface Growing {
  readonly id: string;
  readonly label: string;
  readonly modules: Map<string, Growing>;
  readonly tensors: ModuleTensor[];
}

/** More parts than any real name has; a longer one ends here. */
const MAX_DEPTH = 32;

const trees = new WeakMap<Model, Module>();

/** Built once per model, linear in the length of all names. */
export function moduleTree(model: Model): Module {
  let tree = trees.get(model);
  if (!tree) trees.set(model, (tree = treeOf(tensorTable(model).entries)));
  return tree;
}

/** Of some of a model's tensors. */
export function treeOf(entries: readonly TensorEntry[]): Module {
  const root: Growing = { id: "", label: "", modules: new Map(), tensors: [] };
  for (const entry of entries) {
    const { path } = entry.graph;
    const name = path.length === 0 ? entry.name : [...path, entry.name].join("/");
    let at = root;
    let start = 0;
    for (const { from, to } of partsOf(name)) {
      const part = name.slice(from, to);
      let next = at.modules.get(part);
      if (!next) {
        const id = at.id === "" ? part : `${at.id}.${part}`;
        // The separator before it is kept, so that a chain reads as the names do.
        next = { id, label: name.slice(start, to), modules: new Map(), tensors: [] };
        at.modules.set(part, next);
      }
      at = next;
      start = to;
    }
    at.tensors.push({ entry, label: withoutSeparator(name.slice(start)) });
  }
  return finished(root);
}

/** All parts but the last, which is the tensor's own name. */
function partsOf(name: string): { from: number; to: number }[] {
  const parts: { from: number; to: number }[] = [];
  let from = -1;
  for (let i = 0; i <= name.length && parts.length <= MAX_DEPTH; i++) {
    const inside = i < name.length && !isSeparator(name, i);
    if (inside && from < 0) from = i;
    else if (!inside && from >= 0) {
      parts.push({ from, to: i });
      from = -1;
    }
  }
  parts.pop();
  return parts;
}

const isSeparator = (text: string, at: number): boolean =>
  text.charCodeAt(at) === POINT || text.charCodeAt(at) === SLASH;
const POINT = 0x2e;
const SLASH = 0x2f;

/** A name of separators alone keeps its last. */
function withoutSeparator(text: string): string {
  let at = 0;
  while (at < text.length - 1 && isSeparator(text, at)) at++;
  return at === 0 ? text : text.slice(at);
}

function finished({ id, label, modules, tensors }: Growing): Module {
  const inner = [...modules.values()].map(finished);
  const [only] = inner;
  if (only && id !== "" && inner.length === 1 && tensors.length === 0)
    return { ...only, label: label + only.label };
  return {
    id,
    label,
    modules: inner.map((one) => {
      const label = withoutSeparator(one.label);
      return label === one.label ? one : { ...one, label };
    }),
    tensors,
    count: inner.reduce((sum, one) => sum + one.count, tensors.length),
    sizeBytes:
      inner.reduce((sum, one) => sum + one.sizeBytes, 0) +
      tensors.reduce((sum, { entry }) => sum + entry.tensor.sizeBytes, 0),
  };
}

/** One line of an outline; modules of one build that are numbered are one line. */
export interface OutlineRow {
  readonly depth: number;
  /** "layers", "0–25". */
  readonly label: string;
  /** Of how many modules; the figures are those of all of them. */
  readonly repeat: number;
  readonly tensors: number;
  readonly sizeBytes: number;
}

interface Line extends OutlineRow {
  readonly module: Module;
}

/**
 * The tree in a few lines: the largest modules are opened as long as there is room. Empty for names
 * that tell of no modules.
 */
export function outline(root: Module, maxRows: number): OutlineRow[] {
  let rows: Line[] = linesOf(root, 0, 1);
  const closed = new Set<Module>();
  for (;;) {
    const candidates = rows.filter(
      ({ module }) => !closed.has(module) && module.modules.length > 0,
    );
    const [largest] = candidates.sort((a, b) => b.sizeBytes - a.sizeBytes);
    if (!largest) break;
    closed.add(largest.module);
    const inner = linesOf(largest.module, largest.depth + 1, largest.repeat);
    if (rows.length + inner.length > maxRows) continue;
    const at = rows.indexOf(largest);
    rows = [...rows.slice(0, at + 1), ...inner, ...rows.slice(at + 1)];
  }
  return rows.map(({ depth, label, repeat, tensors, sizeBytes }) => ({
    depth,
    label,
    repeat,
    tensors,
    sizeBytes,
  }));
}

/** @param times how often the parent is there */
function linesOf(parent: Module, depth: number, times: number): Line[] {
  const groups: Module[][] = [];
  for (const module of parent.modules) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group && last && isNumbered(last) && isNumbered(module) && sameBuild(last, module))
      group.push(module);
    else groups.push([module]);
  }
  return groups.flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const repeat = group.length * times;
    const label =
      group.length === 1 ? first.label : `${first.label}–${group.at(-1)?.label ?? first.label}`;
    const [tensors, sizeBytes] = [first.count * repeat, first.sizeBytes * repeat];
    return [{ depth, label, repeat, tensors, sizeBytes, module: first }];
  });
}

const isNumbered = ({ label }: Module): boolean => /^\d+$/.test(label);

/** Whether two modules hold the same tensors under the same names. */
function sameBuild(a: Module, b: Module): boolean {
  return (
    a.tensors.length === b.tensors.length &&
    a.modules.length === b.modules.length &&
    a.tensors.every((one, i) => {
      const other = b.tensors[i];
      return other !== undefined && one.label === other.label && sameType(one, other);
    }) &&
    a.modules.every((one, i) => {
      const other = b.modules[i];
      return other !== undefined && one.label === other.label && sameBuild(one, other);
    })
  );
}
const sameType = (a: ModuleTensor, b: ModuleTensor): boolean => {
  const [one, other] = [a.entry.tensor, b.entry.tensor];
  return (
    one.dtype === other.dtype &&
    one.shape.length === other.shape.length &&
    one.shape.every((size, i) => size === other.shape[i])
  );
};
