/** The tree of modules as lines, as far as it is opened. */
import type { Module, ModuleTensor } from "./moduleTree.ts";

export type TreeLine =
  | { readonly depth: number; readonly module: Module; readonly open: boolean }
  | { readonly depth: number; readonly tensor: ModuleTensor };

/** Within each module: its modules first, then its own tensors; "order" is the file's. */
export type TreeSort = "order" | "name" | "size";

/** @param isOpen of a module that is shown */
export function treeLines(
  root: Module,
  isOpen: (module: Module) => boolean,
  sort: TreeSort,
  descending: boolean,
): TreeLine[] {
  const lines: TreeLine[] = [];
  const add = (module: Module, depth: number): void => {
    for (const inner of sorted(module.modules, sort, descending)) {
      const open = isOpen(inner);
      lines.push({ depth, module: inner, open });
      if (open) add(inner, depth + 1);
    }
    for (const tensor of sortedTensors(module.tensors, sort, descending))
      lines.push({ depth, tensor });
  };
  add(root, 0);
  return lines;
}

/** "layer2" before "layer10". */
const collator = new Intl.Collator("en", { numeric: true });

function sorted(
  modules: readonly Module[],
  sort: TreeSort,
  descending: boolean,
): readonly Module[] {
  const sign = descending ? -1 : 1;
  if (sort === "name")
    return [...modules].sort((a, b) => sign * collator.compare(a.label, b.label));
  if (sort === "size") return [...modules].sort((a, b) => sign * (a.sizeBytes - b.sizeBytes));
  return modules;
}

function sortedTensors(
  tensors: readonly ModuleTensor[],
  sort: TreeSort,
  descending: boolean,
): readonly ModuleTensor[] {
  const sign = descending ? -1 : 1;
  if (sort === "name")
    return [...tensors].sort((a, b) => sign * collator.compare(a.label, b.label));
  if (sort === "size")
    return [...tensors].sort(
      (a, b) => sign * (a.entry.tensor.sizeBytes - b.entry.tensor.sizeBytes),
    );
  return tensors;
}
