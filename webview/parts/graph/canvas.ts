/**
 * The drawing itself with mouse and keyboard, and the same boxes as a tree for screen readers. Tells
 * which box became active (`box-active`) and which one was asked to open (`box-open`).
 */
import { LitElement, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { base } from "../../styles.ts";
import * as cameras from "./camera.ts";
import type { Camera } from "./camera.ts";
import { canvasStyles } from "./canvasStyles.ts";
import type { Colouring } from "./colours.ts";
import { Minimap, MINIMAP_WIDTH } from "./minimap.ts";
import { Painter, type Look } from "./paint.ts";
import { readPalette, type Palette } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { tooltip, treeItems } from "./told.ts";
import { Walk } from "./walk.ts";

const MOVE_MS = 150;
const HOVER_MS = 250;
/** In a narrower view the strip would cover too much of it. */
const MAP_FROM = 560;
const ZOOM_STEP = 1.25;
/** What is searched for is shown at least this large. */
const READABLE = 0.8;
/** A press that moves less is a click. */
const CLICK_PX = 4;

export class GraphCanvas extends LitElement {
  static override styles = [base, canvasStyles];
  static override properties = {
    scene: { attribute: false },
    colouring: { attribute: false },
    active: { attribute: false },
    label: { attribute: false },
  };
  declare scene: Scene;
  declare colouring: Colouring | null;
  /** Index of the active box, -1 for none. */
  declare active: number;
  declare label: string;
  /** Drawing times of the last frames in ms, for tests. */
  readonly frameTimes: number[] = [];
  /** Null: where the picture is seen best; then as the user moves it. */
  #camera: Camera | null = null;
  readonly #painter = new Painter();
  readonly #minimap = new Minimap();
  readonly #walk = new Walk();
  #palette: Palette | null = null;
  #frame = 0;
  #hovered = -1;
  #tip: { readonly x: number; readonly y: number } | null = null;
  #tipTimer: ReturnType<typeof setTimeout> | undefined;
  #drag: { x: number; y: number; moved: boolean; map: boolean } | null = null;
  #move: { readonly from: Camera; readonly to: Camera; readonly since: number } | null = null;
  readonly #resized = new ResizeObserver(() => this.#draw());
  readonly #themed = new MutationObserver(() => {
    this.#palette = null;
    this.#painter.forget();
    this.#draw();
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resized.observe(this);
    for (const node of [document.documentElement, document.body])
      this.#themed.observe(node, { attributes: true, attributeFilter: ["class", "style"] });
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized.disconnect();
    this.#themed.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  get #view(): cameras.Size {
    return { width: this.clientWidth, height: this.clientHeight };
  }
  /** The view without the strip that may lie over it. */
  get #free(): cameras.Size {
    const { width, height } = this.#view;
    return { width: width < MAP_FROM ? width : width - MINIMAP_WIDTH - 16, height };
  }
  get #at(): Camera {
    const [first] = this.scene.order;
    return (
      this.#camera ?? cameras.start(this.scene, this.#free, this.scene.boxes[first ?? -1] ?? null)
    );
  }

  /** Where a box is in the window, so that it can stay there in the next picture. */
  placeOf(id: string): { readonly x: number; readonly y: number; readonly zoom: number } | null {
    const box = this.scene.boxes[this.scene.indexOf(id)];
    const { x, y, zoom } = this.#at;
    return box ? { x: (box.x - x) * zoom, y: (box.y - y) * zoom, zoom } : null;
  }
  /** Goes to a camera at once; null: to where the picture is seen best. */
  restore(camera: Camera | null): void {
    this.#move = null;
    this.#camera = camera;
    this.#draw();
  }
  fit(): void {
    this.#moveTo(cameras.fit(this.scene, this.#free));
  }
  zoom(steps: number): void {
    const { width, height } = this.#view;
    this.#moveTo(cameras.zoomed(this.#at, ZOOM_STEP ** steps, width / 2, height / 2));
  }
  /** Brings a box into view: centred if `centre`, else only as far as needed. */
  show(index: number, centre: boolean): void {
    const box = this.scene.boxes[index];
    if (!box) return;
    const readable = { ...this.#at, zoom: Math.max(this.#at.zoom, READABLE) };
    this.#moveTo(
      centre
        ? cameras.centred(box, this.#view, readable.zoom)
        : cameras.following(this.#at, box, this.scene, this.#view),
    );
  }
  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>("[role=tree]")?.focus({ preventScroll: true });
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("scene")) {
      this.#hovered = -1;
      this.#hideTip();
    }
    this.#draw();
  }

  #moveTo(to: Camera): void {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still) this.#setCamera(to);
    else {
      this.#move = { from: this.#at, to, since: performance.now() };
      this.#draw();
    }
  }
  #setCamera(camera: Camera): void {
    this.#move = null;
    this.#camera = cameras.kept(camera, this.scene, this.#view);
    this.dispatchEvent(new CustomEvent("camera", { detail: this.#camera }));
    this.#draw();
  }

  #draw(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    this.#frame = 0;
    const began = performance.now();
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.drawing");
    const map = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.map");
    const ctx = canvas?.getContext("2d", { alpha: false });
    const { width, height } = this.#view;
    if (!canvas || !ctx || width === 0 || height === 0) return;
    // A smaller graph may have nothing left where the larger one was looked at.
    if (this.#camera && !this.#move && !cameras.sees(this.#camera, this.scene, this.#view))
      this.#camera = null;
    if (this.#move) {
      const { from, to, since } = this.#move;
      const share = Math.min(1, (began - since) / MOVE_MS);
      if (share >= 1) this.#setCamera(to);
      else {
        this.#camera = cameras.between(from, to, share);
        this.#draw();
      }
    }
    const ratio = window.devicePixelRatio;
    if (
      canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)
    ) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.#palette ??= readPalette(this);
    const look: Look = {
      palette: this.#palette,
      colouring: this.colouring,
      active: this.active,
      hovered: this.#hovered,
      focused: this.renderRoot.querySelector("[role=tree]:focus") !== null,
    };
    const camera = this.#at;
    this.#painter.paint(
      ctx,
      this.scene,
      camera,
      { left: 0, top: 0, right: width, bottom: height },
      look,
    );
    if (map) {
      const whole =
        this.scene.width * camera.zoom <= width && this.scene.height * camera.zoom <= height;
      map.hidden = whole || width < MAP_FROM;
      if (!map.hidden) this.#minimap.paint(map, this.scene, camera, this.#view, look);
    }
    this.frameTimes.push(performance.now() - began);
    if (this.frameTimes.length > 240) this.frameTimes.shift();
  }

  protected override render(): TemplateResult {
    return html`
      <canvas class="drawing" aria-hidden="true"></canvas>
      <div
        class="keys"
        role="tree"
        tabindex="0"
        aria-label=${this.label}
        aria-activedescendant=${this.active >= 0 ? `box-${this.active}` : nothing}
        @keydown=${this.#onKey}
        @focus=${() => this.#draw()}
        @blur=${() => this.#draw()}
        @pointerdown=${this.#onDown}
        @pointermove=${this.#onMove}
        @pointerup=${this.#onUp}
        @pointerleave=${() => this.#hover(-1, null)}
        @dblclick=${this.#onDouble}
        @wheel=${this.#onWheel}
      >
        ${guard([this.scene, this.active, this.colouring], () => treeItems(this.scene, this.active, this.colouring, (box) => this.#activate(box, false)))}
      </div>
      <canvas
        class="map"
        aria-hidden="true"
        hidden
        @pointerdown=${this.#onMap}
        @pointermove=${this.#onMap}
        @pointerup=${() => (this.#drag = null)}
      ></canvas>
      ${this.#tip ? tooltip(this.scene, this.#hovered, this.colouring) : nothing}
    `;
  }

  #activate(index: number, centre: boolean): void {
    this.active = index;
    if (index >= 0) this.show(index, centre);
    this.dispatchEvent(new CustomEvent("box-active", { detail: { index } }));
  }
  #open(index: number): void {
    if (index >= 0) this.dispatchEvent(new CustomEvent("box-open", { detail: { index } }));
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = this.#walk.next(this.scene, this.active, event.key);
    if (next !== null) this.#activate(next, false);
    else if (event.key === "Enter" || event.key === " ") this.#open(this.active);
    else if (event.key === "+" || event.key === "=") this.zoom(1);
    else if (event.key === "-") this.zoom(-1);
    else if (event.key === "0") this.fit();
    else if (!["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
  };

  #place(event: MouseEvent): { x: number; y: number; box: number } {
    const area = this.getBoundingClientRect();
    const x = event.clientX - area.left;
    const y = event.clientY - area.top;
    const camera = this.#at;
    return { x, y, box: this.scene.at(camera.x + x / camera.zoom, camera.y + y / camera.zoom) };
  }

  readonly #onDown = (event: PointerEvent): void => {
    if (event.button > 1) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, y: event.clientY, moved: false, map: false };
    this.#hideTip();
  };
  readonly #onMove = (event: PointerEvent): void => {
    const drag = this.#drag;
    if (!drag) {
      const { x, y, box } = this.#place(event);
      this.#hover(box, { x, y });
      return;
    }
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (!drag.moved && Math.hypot(dx, dy) < CLICK_PX) return;
    const camera = this.#at;
    this.#drag = { x: event.clientX, y: event.clientY, moved: true, map: false };
    this.classList.add("dragging");
    this.#setCamera({ ...camera, x: camera.x - dx / camera.zoom, y: camera.y - dy / camera.zoom });
  };
  readonly #onUp = (event: PointerEvent): void => {
    const drag = this.#drag;
    this.#drag = null;
    this.classList.remove("dragging");
    if (!drag || drag.moved) return;
    this.active = this.#place(event).box;
    this.dispatchEvent(new CustomEvent("box-active", { detail: { index: this.active } }));
  };
  readonly #onDouble = (event: MouseEvent): void => this.#open(this.#place(event).box);

  readonly #onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    this.#hideTip();
    const camera = this.#at;
    if (event.ctrlKey || event.metaKey) {
      const { x, y } = this.#place(event);
      // A notch of a wheel is 100 to 120; a pinch comes in steps of a few.
      this.#setCamera(cameras.zoomed(camera, 2 ** (-event.deltaY / 240), x, y));
      return;
    }
    const [dx, dy] = event.shiftKey ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    this.#setCamera({ ...camera, x: camera.x + dx / camera.zoom, y: camera.y + dy / camera.zoom });
  };

  readonly #onMap = (event: PointerEvent): void => {
    const map = event.currentTarget as HTMLCanvasElement;
    if (event.type === "pointerdown") {
      map.setPointerCapture(event.pointerId);
      this.#drag = { x: 0, y: 0, moved: false, map: true };
    }
    if (!this.#drag?.map) return;
    const area = map.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * this.scene.width;
    const y = ((event.clientY - area.top) / area.height) * this.scene.height;
    this.#setCamera(cameras.centred({ x, y, width: 0, height: 0 }, this.#view, this.#at.zoom));
  };

  #hover(box: number, at: { readonly x: number; readonly y: number } | null): void {
    if (box !== this.#hovered) {
      this.#hideTip();
      this.#hovered = box;
      this.#draw();
    }
    clearTimeout(this.#tipTimer);
    if (box < 0 || !at || this.#tip) return;
    this.#tipTimer = setTimeout(() => void this.#showTip(at), HOVER_MS);
  }
  async #showTip(at: { readonly x: number; readonly y: number }): Promise<void> {
    this.#tip = at;
    this.requestUpdate();
    await this.updateComplete;
    const tip = this.renderRoot.querySelector<HTMLElement>(".tip");
    if (!tip) return;
    const { width, height } = this.#view;
    tip.style.left = `${Math.max(4, Math.min(at.x + 14, width - tip.offsetWidth - 4))}px`;
    const below = at.y + 18;
    tip.style.top = `${below + tip.offsetHeight > height ? Math.max(4, at.y - tip.offsetHeight - 10) : below}px`;
  }
  #hideTip(): void {
    clearTimeout(this.#tipTimer);
    if (!this.#tip) return;
    this.#tip = null;
    this.requestUpdate();
  }
}
customElements.define("lathe-graph-canvas", GraphCanvas);
