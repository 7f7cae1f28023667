/** A strip beside the drawing: all of the picture, squeezed into it, with the part in view marked. */
import { shadeOf } from "./colours.ts";
import type { Camera } from "./camera.ts";
import type { Look } from "./paint.ts";
import type { Size } from "./camera.ts";
import type { Scene } from "./scene.ts";

export const MINIMAP_WIDTH = 64;

export class Minimap {
  #picture: HTMLCanvasElement | null = null;
  #drawn: readonly unknown[] = [];

  /** Draws the picture once for each scene, colouring and size, then only copies it. */
  paint(canvas: HTMLCanvasElement, scene: Scene, camera: Camera, view: Size, look: Look): void {
    const ratio = window.devicePixelRatio;
    const height = canvas.clientHeight;
    const ctx = canvas.getContext("2d");
    if (!ctx || height === 0) return;
    if (
      canvas.width !== Math.round(MINIMAP_WIDTH * ratio) ||
      canvas.height !== Math.round(height * ratio)
    ) {
      canvas.width = Math.round(MINIMAP_WIDTH * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const subject = [scene, look.colouring, look.palette, canvas.width, canvas.height];
    if (!this.#picture || subject.some((part, i) => part !== this.#drawn[i])) {
      this.#picture = this.#draw(scene, look, canvas);
      this.#drawn = subject;
    }
    const scaleX = canvas.width / scene.width;
    const scaleY = canvas.height / scene.height;
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.drawImage(this.#picture, 0, 0);
    const left = Math.max(1, camera.x * scaleX);
    const top = Math.max(1, camera.y * scaleY);
    const right = Math.min(canvas.width - 1, (camera.x + view.width / camera.zoom) * scaleX);
    const bottom = Math.min(canvas.height - 1, (camera.y + view.height / camera.zoom) * scaleY);
    ctx.strokeStyle = look.palette.focus;
    ctx.lineWidth = 1.5 * ratio;
    ctx.strokeRect(left, top, Math.max(4, right - left), Math.max(6, bottom - top));
  }

  #draw(scene: Scene, { palette, colouring, active }: Look, size: Size): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = size.width;
    canvas.height = size.height;
    const ctx = canvas.getContext("2d");
    if (!ctx) return canvas;
    const scaleX = size.width / scene.width;
    const scaleY = size.height / scene.height;
    scene.boxes.forEach((box, i) => {
      const value = colouring?.values.get(i);
      ctx.fillStyle =
        value !== undefined && colouring
          ? shadeOf(colouring, value).fill
          : i === active
            ? palette.focus
            : palette.edge;
      ctx.globalAlpha = box.open ? 0.15 : 0.7;
      ctx.fillRect(
        box.x * scaleX,
        box.y * scaleY,
        Math.max(1, box.width * scaleX),
        Math.max(1, box.height * scaleY - 0.5),
      );
    });
    return canvas;
  }
}
