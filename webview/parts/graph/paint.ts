/** Draws what is in view. How much detail depends on the zoom, so that a frame stays within 8 ms. */
import type { GraphBox, GraphEdge } from "../../../src/shared/graphView.ts";
import { strings } from "../../strings.ts";
import { formatValue, shadeOf, type Colouring } from "./colours.ts";
import type { Camera } from "./camera.ts";
import type { Palette } from "./palette.ts";
import type { Area, Scene } from "./scene.ts";

export interface Look {
  readonly palette: Palette;
  readonly colouring: Colouring | null;
  readonly active: number;
  readonly hovered: number;
  readonly focused: boolean;
}

/** Zooms from which on there are curves, texts and the smaller texts. */
const CURVES_FROM = 0.25;
const TITLES_FROM = 0.35;
const TEXTS_FROM = 0.5;
const TITLE_BAR = 24;
const PAD = 10;

export class Painter {
  readonly #fitted = new Map<string, string>();

  /** Texts are measured anew in another font. */
  forget(): void {
    this.#fitted.clear();
  }

  paint(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, size: Area, look: Look): void {
    const ratio = window.devicePixelRatio;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = look.palette.background;
    ctx.fillRect(0, 0, size.right, size.bottom);
    const scale = camera.zoom * ratio;
    ctx.setTransform(scale, 0, 0, scale, -camera.x * scale, -camera.y * scale);
    const view: Area = {
      left: camera.x,
      top: camera.y,
      right: camera.x + size.right / camera.zoom,
      bottom: camera.y + size.bottom / camera.zoom,
    };
    const { boxes, edges } = scene.within(view);
    const shown = boxes.flatMap((i) => {
      const box = scene.boxes[i];
      return box ? [{ i, box }] : [];
    });
    for (const { box } of shown) if (box.open) this.#frame(ctx, box, camera.zoom, look);
    this.#edges(ctx, scene, edges, camera.zoom, look);
    for (const { i, box } of shown) if (!box.open) this.#body(ctx, i, box, camera.zoom, look);
    if (camera.zoom >= TITLES_FROM)
      for (const { i, box } of shown) this.#texts(ctx, i, box, camera.zoom, look);
    this.#ring(ctx, scene.boxes[look.active], camera.zoom, look);
  }

  #frame(ctx: CanvasRenderingContext2D, box: GraphBox, zoom: number, { palette }: Look): void {
    ctx.lineWidth = 1 / Math.min(1, zoom);
    ctx.strokeStyle = palette.frame;
    ctx.fillStyle = palette.highContrast ? palette.background : palette.fill;
    ctx.globalAlpha = 0.5;
    rounded(ctx, box, 6);
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.stroke();
  }

  #edges(
    ctx: CanvasRenderingContext2D,
    scene: Scene,
    edges: readonly number[],
    zoom: number,
    { palette, active }: Look,
  ): void {
    const near: GraphEdge[] = [];
    ctx.lineWidth = Math.max(1, 0.8 / zoom);
    ctx.strokeStyle = ctx.fillStyle = palette.edge;
    ctx.beginPath();
    for (const i of edges) {
      const edge = scene.edges[i];
      if (!edge) continue;
      if (edge.from === active || edge.to === active) near.push(edge);
      else line(ctx, edge, zoom >= CURVES_FROM);
    }
    ctx.stroke();
    if (zoom >= CURVES_FROM) {
      ctx.beginPath();
      for (const i of edges) {
        const edge = scene.edges[i];
        if (edge?.arrow) head(ctx, edge, 1);
      }
      ctx.fill();
    }
    if (near.length === 0) return;
    ctx.lineWidth = Math.max(2, 1.6 / zoom);
    ctx.strokeStyle = ctx.fillStyle = palette.accent;
    ctx.beginPath();
    for (const edge of near) line(ctx, edge, zoom >= CURVES_FROM);
    ctx.stroke();
    ctx.beginPath();
    for (const edge of near) if (edge.arrow) head(ctx, edge, 1.4);
    ctx.fill();
  }

  #body(ctx: CanvasRenderingContext2D, i: number, box: GraphBox, zoom: number, look: Look): void {
    const { palette, colouring } = look;
    const value = colouring?.values.get(i);
    ctx.fillStyle =
      value !== undefined && colouring
        ? shadeOf(colouring, value).fill
        : box.kind === "group" || box.detail !== ""
          ? palette.strongFill
          : palette.fill;
    ctx.strokeStyle = palette.border;
    if (zoom < TITLES_FROM) {
      ctx.fillRect(box.x, box.y, box.width, box.height);
      if (palette.highContrast) ctx.strokeRect(box.x, box.y, box.width, box.height);
      return;
    }
    ctx.lineWidth = 1;
    const radius = box.kind === "node" ? 4 : box.kind === "group" ? 6 : box.height / 2;
    if (box.kind === "group") {
      // A stack behind it: there is more inside.
      rounded(ctx, { ...box, x: box.x + 4, y: box.y + 4 }, radius);
      ctx.stroke();
    }
    rounded(ctx, box, Math.min(radius, 14));
    ctx.fill();
    ctx.stroke();
    if (look.hovered === i) {
      ctx.strokeStyle = palette.text;
      ctx.stroke();
    }
  }

  #texts(ctx: CanvasRenderingContext2D, i: number, box: GraphBox, zoom: number, look: Look): void {
    const { palette, colouring } = look;
    const value = box.open ? undefined : colouring?.values.get(i);
    const shade = value !== undefined && colouring ? shadeOf(colouring, value) : null;
    const room = box.width - (box.open ? 2 * PAD : PAD);
    ctx.textBaseline = "middle";
    ctx.textAlign = box.open ? "left" : "center";
    const middle = box.open ? box.x + PAD : box.x + box.width / 2;
    const title = `${box.kind === "group" ? (box.open ? "▾ " : "▸ ") : ""}${box.title}`;
    ctx.font = `600 12px ${palette.family}`;
    ctx.fillStyle = shade?.text ?? palette.text;
    const first = box.y + (box.open ? TITLE_BAR / 2 : 14.5);
    const shown = this.#fit(ctx, title, room);
    ctx.fillText(shown, middle, first);
    const used = box.open ? ctx.measureText(shown).width + 10 : 0;
    if (zoom < TEXTS_FROM) return;
    ctx.font = `11px ${palette.family}`;
    ctx.fillStyle = shade?.text ?? palette.quiet;
    if (box.open) ctx.fillText(this.#fit(ctx, box.detail, room - used), middle + used, first);
    else
      [...(box.detail === "" ? [] : [box.detail]), ...box.lines].forEach((text, k) =>
        ctx.fillText(this.#fit(ctx, text, room), middle, box.y + 32 + k * 15),
      );
    const mark = markOf(box);
    if (mark !== "" && box.open)
      badge(ctx, mark, box.x + box.width - 6, box.y + 4, "right", palette);
    else if (mark !== "") badge(ctx, mark, box.x - 4, box.y - 10, "left", palette);
    if (value !== undefined && colouring)
      badge(
        ctx,
        formatValue(colouring.metric, value),
        box.x + box.width + 4,
        // At the bottom: arrows end at the top.
        box.y + box.height - 3,
        "right",
        palette,
      );
  }

  #ring(
    ctx: CanvasRenderingContext2D,
    box: GraphBox | undefined,
    zoom: number,
    { palette, focused }: Look,
  ): void {
    if (!box) return;
    const away = 3 / zoom;
    ctx.lineWidth = (focused ? 2.5 : 1.5) / zoom;
    ctx.strokeStyle = focused ? palette.focus : palette.text;
    rounded(
      ctx,
      {
        x: box.x - away,
        y: box.y - away,
        width: box.width + 2 * away,
        height: box.height + 2 * away,
      },
      box.kind === "node" ? 6 : Math.min(14, box.height / 2) + away,
    );
    ctx.stroke();
  }

  /** As much of a text as fits, its end first: names differ at the end. */
  #fit(ctx: CanvasRenderingContext2D, text: string, width: number): string {
    const key = `${ctx.font}|${Math.round(width)}|${text}`;
    const known = this.#fitted.get(key);
    if (known !== undefined) return known;
    let fitted = text;
    for (let cut = 1; ctx.measureText(fitted).width > width && cut < text.length; cut++)
      fitted = `${text.slice(0, text.length - cut)}…`;
    if (this.#fitted.size > 20_000) this.#fitted.clear();
    this.#fitted.set(key, fitted);
    return fitted;
  }
}

/** What the recipe did to a box, in a word. */
export const markOf = (box: GraphBox): string =>
  box.change !== null
    ? strings.change[box.change]
    : box.changed > 0
      ? strings.graph.changedInside(box.changed)
      : "";

interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function rounded(
  ctx: CanvasRenderingContext2D,
  { x, y, width, height }: Rect,
  radius: number,
): void {
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, radius);
}

function badge(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  side: "left" | "right",
  palette: Palette,
): void {
  ctx.font = `600 10px ${palette.family}`;
  const width = ctx.measureText(text).width + 10;
  const left = side === "left" ? x : x - width;
  ctx.fillStyle = palette.badge;
  ctx.strokeStyle = palette.highContrast ? palette.border : palette.background;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.roundRect(left, y, width, 15, 7);
  ctx.fill();
  ctx.stroke();
  ctx.fillStyle = palette.badgeText;
  ctx.textAlign = "left";
  ctx.fillText(text, left + 5, y + 8);
}

/** Through all points with vertical tangents, or straight. */
function line(ctx: CanvasRenderingContext2D, { points }: GraphEdge, curved: boolean): void {
  let x = points[0] ?? 0;
  let y = points[1] ?? 0;
  ctx.moveTo(x, y);
  for (let i = 2; i + 1 < points.length; i += 2) {
    const nextX = points[i] ?? 0;
    const nextY = points[i + 1] ?? 0;
    if (!curved || nextX === x) ctx.lineTo(nextX, nextY);
    else {
      const half = (nextY - y) / 2;
      ctx.bezierCurveTo(x, y + half, nextX, nextY - half, nextX, nextY);
    }
    x = nextX;
    y = nextY;
  }
}

function head(ctx: CanvasRenderingContext2D, { points }: GraphEdge, scale: number): void {
  const x = points[points.length - 2] ?? 0;
  const y = points[points.length - 1] ?? 0;
  const before = points[points.length - 3] ?? 0;
  const back = (before < y ? -7 : 7) * scale;
  ctx.moveTo(x, y);
  ctx.lineTo(x - 3.5 * scale, y + back);
  ctx.lineTo(x + 3.5 * scale, y + back);
  ctx.closePath();
}
