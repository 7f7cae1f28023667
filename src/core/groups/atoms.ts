/**
 * Channels that must go together, as a union-find over numbers. An atom may be pinned, with the
 * reason why it has to stay; a pin holds for everything it is united with.
 */

/** One number per index along an axis; equal classes must be removed together. */
export type Tags = Int32Array;

export class Atoms {
  readonly #parent: number[] = [];
  readonly #pins = new Map<number, string>();
  readonly #residual = new Set<number>();

  fresh(count: number): Tags {
    const tags = new Int32Array(count);
    for (let i = 0; i < count; i++) tags[i] = this.#parent.push(this.#parent.length) - 1;
    return tags;
  }

  /** The representative of an atom's class. */
  find(atom: number): number {
    let root = atom;
    for (let up = this.#parent[root]; up !== undefined && up !== root; up = this.#parent[root])
      root = up;
    // Path compression: later look-ups take one step.
    for (let at = atom; at !== root;) {
      const up = this.#parent[at] ?? root;
      this.#parent[at] = root;
      at = up;
    }
    return root;
  }

  union(a: number, b: number): void {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return;
    // The smaller number wins, so that results do not depend on the order of the unions.
    const [root, child] = x < y ? [x, y] : [y, x];
    this.#parent[child] = root;
    const pin = this.#pins.get(root) ?? this.#pins.get(child);
    if (pin !== undefined) this.#pins.set(root, pin);
    if (this.#residual.has(child)) this.#residual.add(root);
  }

  pin(tags: Tags | null | undefined, reason: string): void {
    for (const tag of tags ?? []) {
      const root = this.find(tag);
      if (!this.#pins.has(root)) this.#pins.set(root, reason);
    }
  }
  /** Why the atom has to stay; null when it may go. */
  pinned(atom: number): string | null {
    return this.#pins.get(this.find(atom)) ?? null;
  }

  /** Marks channels that a sum of two activations joins. */
  markResidual(tags: Tags): void {
    for (const tag of tags) this.#residual.add(this.find(tag));
  }
  isResidual(atom: number): boolean {
    return this.#residual.has(this.find(atom));
  }

  /**
   * Index i of one axis is index i of the other. An axis whose channels are not known (null) pins
   * the other one, for `reason`.
   */
  unify(a: Tags | null, b: Tags | null, reason: string): void {
    if (a && b && a.length === b.length)
      for (let i = 0; i < a.length; i++) this.union(a[i] ?? 0, b[i] ?? 0);
    else {
      this.pin(a, reason);
      this.pin(b, reason);
    }
  }
}
