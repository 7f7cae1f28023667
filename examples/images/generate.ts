/**
 * Gray images of ten kinds of shapes: each is drawn at a random place, size, angle and brightness,
 * lit unevenly, partly covered by a stroke, and noisy. Pure: a seed and a count give the images.
 */
import { seededRandom } from "../random.ts";
import type { Random } from "../random.ts";

export const IMAGE_SIZE = 24;

/** Class names; the index is the label. Neighbours in the list are the ones easily confused. */
export const CLASSES = [
  "disc",
  "ring",
  "half disc",
  "square",
  "frame",
  "triangle",
  "plus",
  "tee",
  "bars",
  "checker",
] as const;
type ShapeClass = (typeof CLASSES)[number];

export interface LabelledImages {
  /** uint8 [count, 24, 24], row by row. */
  readonly pixels: Uint8Array;
  /** uint8 [count]. */
  readonly labels: Uint8Array;
}

/** `count` images with labels drawn uniformly. */
export function generateImages(seed: number, count: number): LabelledImages {
  const random = seededRandom(seed);
  const area = IMAGE_SIZE * IMAGE_SIZE;
  const pixels = new Uint8Array(count * area);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const label = random.below(CLASSES.length);
    labels[i] = label;
    drawImage(random, CLASSES[label] ?? "disc", pixels.subarray(i * area, (i + 1) * area));
  }
  return { pixels, labels };
}

function drawImage(random: Random, shape: ShapeClass, out: Uint8Array): void {
  const middle = (IMAGE_SIZE - 1) / 2;
  const centreX = middle + random.between(-3.5, 3.5);
  const centreY = middle + random.between(-3.5, 3.5);
  const radius = random.between(4.5, 8.5);
  const [cos, sin] = randomDirection(random);
  const background = random.between(50, 150);
  const contrast = random.between(40, 95) * (random.uniform() < 0.5 ? -1 : 1);
  const lightX = random.normal() * 1.5;
  const lightY = random.normal() * 1.5;
  const noise = random.between(8, 22);
  const stroke = randomStroke(random, background, contrast);
  for (let y = 0; y < IMAGE_SIZE; y++)
    for (let x = 0; x < IMAGE_SIZE; x++) {
      // Into the shape's own frame, where its outer edge is about 1 from the origin.
      const dx = (x - centreX) / radius;
      const dy = (y - centreY) / radius;
      const distance = distanceTo(shape, dx * cos + dy * sin, dy * cos - dx * sin);
      const coverage = clamp(0.5 - distance * radius, 0, 1);
      let value = background + contrast * coverage;
      value += (stroke.value - value) * clamp(0.5 - stroke.distance(x, y), 0, 1);
      value += lightX * (x - middle) + lightY * (y - middle) + noise * random.normal();
      out[y * IMAGE_SIZE + x] = clamp(Math.round(value), 0, 255);
    }
}

/** Signed distance from (x, y) to the shape's edge, in units of its radius; negative inside. */
function distanceTo(shape: ShapeClass, x: number, y: number): number {
  const length = Math.sqrt(x * x + y * y);
  const box = (halfWidth: number, halfHeight: number, dy = 0): number =>
    Math.max(Math.abs(x) - halfWidth, Math.abs(y - dy) - halfHeight);
  switch (shape) {
    case "disc":
      return length - 0.95;
    case "ring":
      return Math.max(length - 1, 0.58 - length);
    case "half disc":
      return Math.max(length - 1.1, -0.35 - y);
    case "square":
      return box(0.82, 0.82);
    case "frame":
      return Math.max(box(0.92, 0.92), -box(0.52, 0.52));
    case "triangle": {
      // Equilateral: the three edges' normals are at 120°; √3/2 written out.
      const edge = Math.max(y, 0.8660254037844386 * Math.abs(x) - 0.5 * y);
      return edge - 0.6;
    }
    case "plus":
      return Math.min(box(1.05, 0.3), box(0.3, 1.05));
    case "tee":
      return Math.min(box(1.05, 0.3, -0.7), box(0.3, 1));
    case "bars":
      return Math.max(box(1, 1), Math.abs(Math.abs(x) - 0.66) - 0.3);
    case "checker":
      return Math.max(box(1, 1), x * y > 0 ? -0.1 : 0.1);
  }
}

/** Cosine and sine of a uniform-enough angle, by the rational form of the circle (no `Math.cos`). */
function randomDirection(random: Random): readonly [number, number] {
  const t = random.between(-1, 1);
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  return random.uniform() < 0.5 ? [cos, sin] : [-cos, -sin];
}

/** A thin line across the image, of its own brightness: what hides parts of the shape. */
function randomStroke(
  random: Random,
  background: number,
  contrast: number,
): { value: number; distance: (x: number, y: number) => number } {
  const [cos, sin] = randomDirection(random);
  const offset = random.between(4, IMAGE_SIZE - 5);
  const halfWidth = random.between(0, 1.3);
  const middle = (IMAGE_SIZE - 1) / 2;
  return {
    value: background + contrast * random.between(-0.6, 0.9),
    distance: (x, y) =>
      Math.abs((x - middle) * cos + (y - middle) * sin + middle - offset) - halfWidth,
  };
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));
