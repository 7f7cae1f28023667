/** The graph of the model: folded into blocks, drawn on a canvas, coloured by a report. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { GraphLevel, GraphPart } from "../../src/shared/graphView.ts";
import type { Selection } from "../../src/shared/protocol.ts";
import type { Report } from "../../src/shared/report.ts";
import { isRecord } from "../host.ts";
import { debounce } from "../parts/debounce.ts";
import { failureView } from "../parts/failureView.ts";
import "../parts/graph/canvas.ts";
import type { GraphCanvas } from "../parts/graph/canvas.ts";
import { colouring, type Colouring } from "../parts/graph/colours.ts";
import { legend, legendStyles } from "../parts/graph/legend.ts";
import type { Camera } from "../parts/graph/camera.ts";
import { Scene } from "../parts/graph/scene.ts";
import "../parts/graph/search.ts";
import type { GraphSearch, Hit } from "../parts/graph/search.ts";
import { bodyButtons, crumbs, foldButtons, zoomButtons } from "../parts/graph/tools.ts";
import { docKey, Page, weightsOnly, type GoTo } from "../parts/page.ts";
import { Question } from "../parts/question.ts";
import { reportStore } from "../parts/reportStore.ts";
import { strings } from "../strings.ts";
import { base } from "../styles.ts";
import { graphStyles } from "./graphStyles.ts";

const text = strings.graph;

type Level = Omit<GraphLevel, "doc"> & { readonly reveal: string | null };
const MAIN = "[]";
const START: Level = { graph: MAIN, open: "auto", fold: true, reveal: null };
const isLevel = (value: unknown): value is Level =>
  isRecord(value) &&
  typeof value["graph"] === "string" &&
  typeof value["fold"] === "boolean" &&
  (value["reveal"] === null || typeof value["reveal"] === "string") &&
  (value["open"] === "auto" || value["open"] === "all" || Array.isArray(value["open"]));
const isCamera = (value: unknown): value is Camera =>
  isRecord(value) && ["x", "y", "zoom"].every((key) => Number.isFinite(value[key]));

/** A box that stays where it is on the screen when the picture around it changes. */
interface Anchor {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

const MAX_NAMES = 1000;

const numbers = new WeakMap<Report, number>();
let reportsSeen = 0;
/** The same for the same report, another one for its next run. */
function numberOf(report: Report): number {
  const known = numbers.get(report) ?? ++reportsSeen;
  numbers.set(report, known);
  return known;
}

class GraphPage extends Page {
  static override styles = [base, graphStyles, legendStyles];
  static override properties = { ...Page.properties, goTarget: { attribute: false } };
  declare goTarget: GoTo | null;
  protected override readonly key = "graph";
  readonly #picture = new Question<Scene>(this);
  readonly #names = new Question<readonly (readonly number[])[]>(this);
  #level: Level = this.host.recall("graph", isLevel) ?? START;
  /** Id of the active box: it outlives pictures. */
  #activeId: string | null = null;
  #shown: Scene | null = null;
  #anchor: Anchor | null = null;
  #camera: Camera | null = this.host.recall("graph.camera", isCamera);
  #coloured: { readonly of: readonly unknown[]; readonly colouring: Colouring | null } | null =
    null;
  #unwatch: (() => void) | null = null;

  readonly #rememberCamera = debounce(200, (camera: Camera) =>
    this.host.remember("graph.camera", camera),
  );
  readonly #selectSoon = debounce(120, (selection: Selection) => {
    // The inspector is a second place for the same facts: its absence is no failure of this page.
    this.host.client.call("select", { selection }).catch(() => undefined);
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unwatch = reportStore.watch(() => this.requestUpdate());
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unwatch?.();
  }

  get #canvas(): GraphCanvas | null {
    return this.renderRoot.querySelector<GraphCanvas>("lathe-graph-canvas");
  }
  get #search(): GraphSearch | null {
    return this.renderRoot.querySelector<GraphSearch>("lathe-graph-search");
  }
  get #active(): number {
    return this.#activeId === null ? -1 : (this.#shown?.indexOf(this.#activeId) ?? -1);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("goTarget") && this.goTarget?.node) {
      const { graph, key } = this.goTarget.node;
      this.#level = { ...START, graph, reveal: key };
      this.#anchor = null;
      this.#camera = null;
    }
    const { doc } = this.state;
    const { client } = this.host;
    const { reveal, ...level } = this.#level;
    this.#picture.ask(JSON.stringify([docKey(doc), this.#level]), async (signal) => {
      const ask = (part: number): Promise<GraphPart> =>
        client.call("graph", { ...level, doc, reveal, part }, { signal });
      const first = await ask(0);
      const rest = Array.from({ length: first.parts - 1 }, (_, i) => ask(i + 1));
      return new Scene([first, ...(await Promise.all(rest))]);
    });
    const scene = this.#picture.value;
    if (scene && scene !== this.#shown) this.#receive(scene);
    this.#askNames();
  }

  #receive(scene: Scene): void {
    this.#shown = scene;
    const { revealed } = scene.info;
    if (this.#level.reveal !== null && revealed !== null) this.#choose(revealed);
  }

  /** Which boxes the rows of the chosen report mean. */
  #askNames(): void {
    const { reports, chosen } = reportStore;
    const held = reports.find(({ title }) => title === chosen?.title);
    const scene = this.#shown;
    if (!held || !scene) {
      this.#names.clear();
      return;
    }
    const { doc } = this.state;
    const { graph, fold } = this.#level;
    const level = { doc, graph, fold, open: scene.info.open };
    const targets = held.report.rows.map(({ target }) => target);
    this.#names.ask(
      JSON.stringify([docKey(doc), graph, fold, level.open, numberOf(held.report)]),
      async (signal) => {
        const found: (readonly number[])[] = [];
        for (let from = 0; from < targets.length; from += MAX_NAMES) {
          const names = targets.slice(from, from + MAX_NAMES);
          const answer = await this.host.client.call("graphNames", { ...level, names }, { signal });
          found.push(...answer.boxes);
        }
        return found;
      },
      false,
    );
  }

  get #colouring(): Colouring | null {
    const { reports, chosen } = reportStore;
    const held = reports.find(({ title }) => title === chosen?.title);
    const boxes = this.#names.value;
    if (!held || !chosen || !boxes) return null;
    const of = [held, chosen.metric, boxes];
    if (!this.#coloured || of.some((part, i) => part !== this.#coloured?.of[i]))
      this.#coloured = { of, colouring: colouring(held.report, chosen.metric, boxes) };
    return this.#coloured.colouring;
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    const scene = this.#shown;
    const canvas = this.#canvas;
    if (!scene || !canvas || scene === this.#placed) return;
    const first = this.#placed === null;
    this.#placed = scene;
    const box = scene.boxes[this.#anchor ? scene.indexOf(this.#anchor.id) : -1];
    if (this.#level.reveal !== null && this.#active >= 0) {
      canvas.restore(this.#camera);
      canvas.show(this.#active, true);
    } else if (this.#anchor && box) {
      const { x, y, zoom } = this.#anchor;
      this.#camera = { x: box.x - x / zoom, y: box.y - y / zoom, zoom };
      canvas.restore(this.#camera);
    } else if (!first && this.#anchor === null) canvas.restore(this.#camera);
    else canvas.restore(first ? this.#camera : null);
    this.#anchor = null;
  }
  /** The picture the camera was last set for. */
  #placed: Scene | null = null;

  /** Shows another level; `anchor` is the id of the box that stays in place, null starts anew. */
  #go(level: Partial<Level>, anchor: string | null): void {
    const at = anchor === null ? null : this.#canvas?.placeOf(anchor);
    this.#anchor = at && anchor !== null ? { id: anchor, ...at } : null;
    if (anchor === null) this.#camera = null;
    this.#level = { ...this.#level, reveal: null, ...level };
    this.host.remember("graph", this.#level);
    this.requestUpdate();
  }

  #choose(index: number): void {
    const box = this.#shown?.boxes[index];
    this.#activeId = box?.id ?? null;
    if (box?.kind === "node")
      this.#selectSoon({ kind: "node", graph: this.#level.graph, key: box.key });
    this.requestUpdate();
  }

  #openBox(index: number): void {
    const scene = this.#shown;
    const box = scene?.boxes[index];
    if (!scene || !box) return;
    const [body] = box.bodies;
    if (box.kind === "group") {
      const { open } = scene.info;
      // What is open inside stays known, so that it comes back as it was.
      this.#activeId = box.id;
      this.#go({ open: box.open ? open.filter((id) => id !== box.id) : [...open, box.id] }, box.id);
    } else if (body) this.#enter(body.graph);
    else this.#choose(index);
  }

  #enter(graph: string): void {
    this.#activeId = null;
    this.#go({ graph, open: "auto" }, null);
    this.#canvas?.focus();
  }

  /** Up one level: to the frame around the active box, else to the graph around this one. */
  #up(): void {
    const scene = this.#shown;
    const parent = scene?.boxes[this.#active]?.parent ?? -1;
    const outer = scene?.info.path.at(-2);
    if (parent >= 0) {
      this.#choose(parent);
      this.#canvas?.show(parent, false);
    } else if (outer) this.#enter(outer.graph);
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") this.#search?.focus();
    else if (event.key === "n") this.#search?.step(1);
    else if (event.key === "p") this.#search?.step(-1);
    else if (event.key === "Escape") this.#up();
    else return;
    event.preventDefault();
  };

  #jump({ graph, key }: Hit): void {
    const same = graph === this.#level.graph && this.#level.reveal === key;
    if (same) this.#canvas?.show(this.#active, true);
    else
      this.#go(
        {
          graph,
          reveal: key,
          open: graph === this.#level.graph ? (this.#shown?.info.open ?? "auto") : "auto",
        },
        this.#activeId,
      );
  }

  protected override render(): TemplateResult {
    const { failure } = this.#picture;
    const scene = this.#shown;
    if (scene?.boxes.length === 0 && this.#level.graph === MAIN)
      return html`<div class="empty quiet">
        <p>${weightsOnly(this.state) ? text.noGraph : text.empty}</p>
        ${
          weightsOnly(this.state)
            ? html`<vscode-button secondary @click=${() => this.goTo({ page: "tensors" })}
                >${text.toTensors}</vscode-button
              >`
            : nothing
        }
      </div>`;
    return html`
      ${this.#tools(scene)} ${legend(this.#colouring, docKey(this.state.doc))}
      ${
        failure
          ? html`<div class="message">${failureView(failure, () => this.#picture.retry())}</div>`
          : nothing
      }
      <div
        class="stage ${this.#picture.loading && scene ? "busy" : ""}"
        aria-busy=${this.#picture.loading ? "true" : "false"}
        @keydown=${this.#onKey}
      >
        ${
          scene
            ? html`<lathe-graph-canvas
                .scene=${scene}
                .colouring=${this.#colouring}
                .active=${this.#active}
                .label=${text.label(this.state.title, scene.info.nodes)}
                @camera=${(event: CustomEvent<Camera>) => {
                  this.#camera = event.detail;
                  this.#rememberCamera(event.detail);
                }}
                @box-active=${(event: CustomEvent<{ index: number }>) =>
                  this.#choose(event.detail.index)}
                @box-open=${(event: CustomEvent<{ index: number }>) =>
                  this.#openBox(event.detail.index)}
              ></lathe-graph-canvas>`
            : failure
              ? nothing
              : html`<span class="visually-hidden" role="status">${strings.loading}</span
                  ><span class="skeleton"></span><span class="skeleton"></span>`
        }
      </div>
    `;
  }

  #tools(scene: Scene | null): TemplateResult {
    const { fold } = this.#level;
    return html`<div class="tools">
      <lathe-graph-search
        .doc=${this.state.doc}
        @jump=${(event: CustomEvent<Hit>) => this.#jump(event.detail)}
        @leave=${() => this.#canvas?.focus()}
      ></lathe-graph-search>
      ${zoomButtons({
        zoom: (steps) => this.#canvas?.zoom(steps),
        fit: () => this.#canvas?.fit(),
      })}
      ${foldButtons(scene, fold, {
        fold: (on) => this.#go({ fold: on, open: "auto" }, null),
        open: (open) => this.#go({ open }, null),
      })}
      ${crumbs(scene, (graph) => this.#enter(graph))}
      ${bodyButtons(scene?.boxes[this.#active], (graph) => this.#enter(graph))}
      <span class="quiet count" data-testid="count"
        >${scene ? text.nodes(scene.info.nodes, scene.info.constants) : ""}</span
      >
    </div>`;
  }
}
customElements.define("lathe-graph", GraphPage);
