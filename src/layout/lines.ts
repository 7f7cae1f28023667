/** Points of lines between boxes. */
import type { Point } from "./layered.ts";

/** The first and last point of a route lie at the middle of the box: at a port they move to the port. */
export function alongPort(point: Point, k: number, count: number, start: Point, end: Point): Point {
  if (k === 0) return { x: start.x, y: point.y };
  if (k === count - 1) return { x: end.x, y: point.y };
  return point;
}

/** Without points that add nothing: repeated ones, and those in the middle of a vertical line. */
export function simplified(points: readonly Point[]): Point[] {
  const out: Point[] = [];
  for (const point of points) {
    const last = out.at(-1);
    const before = out.at(-2);
    const same = (p: Point | undefined): boolean =>
      p !== undefined && Math.abs(p.x - point.x) < 0.5;
    if (last && same(last) && Math.abs(last.y - point.y) < 0.5) continue;
    if (same(last) && same(before)) out.pop();
    out.push(point);
  }
  return out;
}
