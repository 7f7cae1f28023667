/** What a technique says it would do, before reading any weight. */
import type { SizeRange, Skip } from "../shared/report.ts";
import type { Need } from "./statistics.ts";
import type { GraphNode, GraphPath, Tensor } from "./model.ts";

/** What is done in one go: one weight, one coupled channel group, one matched subgraph. */
export interface Unit {
  /** Unique in its plan; what a scope matches and what people read. */
  readonly name: string;
  readonly graph: GraphPath;
  readonly nodes: readonly GraphNode[];
  readonly tensors: readonly Tensor[];
  /** Bytes of tensor data that go, and that come. */
  readonly sizeBefore: number;
  readonly sizeAfter: SizeRange;
  /** One line for people: "[96, 256] float32 → 4 bit, block 32". */
  readonly detail: string;
  /** Statistics of activations that `prepare` and `apply` will ask for; collected together before either. */
  readonly needs?: readonly Need[];
}

/** Node names may repeat; a scope must still be able to tell units apart. */
export function withUniqueNames<U extends Unit>(units: readonly U[]): U[] {
  const seen = new Map<string, number>();
  return units.map((unit) => {
    const count = (seen.get(unit.name) ?? 0) + 1;
    seen.set(unit.name, count);
    return count === 1 ? unit : { ...unit, name: `${unit.name} #${count}` };
  });
}

/** A technique may add what its `apply` needs to its units: `apply` is given the same objects. */
export interface Plan<U extends Unit = Unit> {
  readonly units: readonly U[];
  readonly skipped: readonly Skip[];
}
