/** Where the arrow keys lead: along edges up and down, between neighbours left and right. */
import type { Scene } from "./scene.ts";

const WALKING: ReadonlySet<string> = new Set([
  "ArrowDown",
  "ArrowUp",
  "ArrowRight",
  "ArrowLeft",
  "Home",
]);

export class Walk {
  /** The way that was come: going back up leads to the producer one came from. */
  #trail: readonly number[] = [];

  /** The box that `key` leads to from `active`; null where it leads nowhere. */
  next(scene: Scene, active: number, key: string): number | null {
    const box = scene.boxes[active];
    if (!box) return WALKING.has(key) ? (scene.order[0] ?? null) : null;
    switch (key) {
      case "ArrowDown":
        return this.#along(scene, active, true);
      case "ArrowUp":
        return this.#along(scene, active, false);
      case "ArrowRight":
      case "ArrowLeft":
        return beside(scene, active, key === "ArrowRight" ? 1 : -1);
      case "Home":
        return scene.order[0] ?? null;
      case "End":
        return scene.order.at(-1) ?? null;
      case "[":
      case "]":
        return sameInNextBlock(scene, active, key === "]" ? 1 : -1);
      default:
        return null;
    }
  }

  #along(scene: Scene, active: number, down: boolean): number | null {
    const box = scene.boxes[active];
    if (box?.open) {
      // Into the frame from above, out of it from below.
      const inside = scene.childrenOf(active);
      if (down && inside.length > 0) return this.#step(active, inside[0] ?? null);
    }
    const candidates = down ? scene.consumersOf(active) : scene.producersOf(active);
    const before = this.#trail.at(-1);
    if (before !== undefined && candidates.includes(before)) {
      this.#trail = this.#trail.slice(0, -1);
      return before;
    }
    return this.#step(active, nearest(scene, active, candidates) ?? outOf(scene, active, down));
  }

  #step(from: number, to: number | null): number | null {
    if (to !== null) this.#trail = [...this.#trail.slice(-50), from];
    return to;
  }
}

const middle = (scene: Scene, box: number): number => {
  const { x = 0, width = 0 } = scene.boxes[box] ?? {};
  return x + width / 2;
};

/** The one in the nearest row, and there the one most straight above or below. */
function nearest(scene: Scene, active: number, candidates: readonly number[]): number | null {
  const x = middle(scene, active);
  const y = scene.boxes[active]?.y ?? 0;
  const far = (box: number): number => Math.abs((scene.boxes[box]?.y ?? 0) - y);
  const [first] = [...candidates].sort(
    (a, b) =>
      far(a) - far(b) || Math.abs(middle(scene, a) - x) - Math.abs(middle(scene, b) - x) || a - b,
  );
  return first ?? null;
}

/** At the end of what is connected: the next box in reading order, so that nothing is out of reach. */
function outOf(scene: Scene, active: number, down: boolean): number | null {
  const at = scene.order.indexOf(active);
  return scene.order[at + (down ? 1 : -1)] ?? null;
}

/** The next box to one side that overlaps in height, else the next one in reading order. */
function beside(scene: Scene, active: number, direction: 1 | -1): number | null {
  const box = scene.boxes[active];
  if (!box) return null;
  const siblings = scene.childrenOf(box.parent).filter((other) => {
    const { x = 0, y = 0, height = 0 } = scene.boxes[other] ?? {};
    return (x - box.x) * direction > 0 && y < box.y + box.height && y + height > box.y;
  });
  const [found] = siblings.sort(
    (a, b) => direction * ((scene.boxes[a]?.x ?? 0) - (scene.boxes[b]?.x ?? 0)),
  );
  return found ?? outOf(scene, active, direction > 0);
}

/** In a repeated block: the box at the same place in the next repetition. */
function sameInNextBlock(scene: Scene, active: number, direction: 1 | -1): number | null {
  const steps: number[] = [];
  for (let at = active; at >= 0;) {
    const parent = scene.boxes[at]?.parent ?? -1;
    const siblings = scene.childrenOf(parent);
    const place = siblings.indexOf(at);
    if (parent >= 0 && (scene.boxes[parent]?.repeats ?? 0) > 0) {
      let target = siblings[place + direction] ?? null;
      for (const step of steps.reverse()) {
        const inside: number | undefined =
          target === null ? undefined : scene.childrenOf(target)[step];
        if (inside === undefined) break;
        target = inside;
      }
      return target;
    }
    steps.push(place);
    at = parent;
  }
  return null;
}
