/** A sample drawn on a canvas: one channel is grey, three are red, green and blue. */
import { html, type TemplateResult } from "lit";
import { ref } from "lit/directives/ref.js";
import type { DataSample } from "../../src/shared/protocol.ts";

type Picture = NonNullable<DataSample["picture"]>;

export const samplePicture = (picture: Picture, label: string): TemplateResult =>
  html`<canvas
    role="img"
    aria-label=${label}
    width=${picture.width}
    height=${picture.height}
    ${ref((element) => {
      if (element instanceof HTMLCanvasElement) draw(element, picture);
    })}
  ></canvas>`;

function draw(canvas: HTMLCanvasElement, { width, height, channels, base64 }: Picture): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const bytes = atob(base64);
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      image.data[pixel * 4 + channel] = bytes.charCodeAt(
        pixel * channels + (channels === 1 ? 0 : channel),
      );
    image.data[pixel * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
