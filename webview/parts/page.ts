/** What the four pages of the editor have in common. */
import { LitElement } from "lit";
import { kindOf } from "../../src/shared/modelPath.ts";
import type { HostState, PageId, TensorRow } from "../../src/shared/protocol.ts";
import { getHost, isNumber } from "../host.ts";
import { debounce } from "./debounce.ts";

/** What a page asks of the editor around it. */
export interface GoTo {
  readonly page: PageId;
  readonly tensor?: TensorRow;
  /** A technique to be set on the Optimize page. */
  readonly technique?: string;
  /** A node to be shown in the graph. */
  readonly node?: { readonly graph: string; readonly key: string };
}

export abstract class Page extends LitElement {
  static override properties = {
    state: { attribute: false },
    active: { attribute: false },
  };
  declare state: HostState;
  /** False while another tab is in front: nothing is asked then. */
  declare active: boolean;
  protected readonly host = getHost();
  /** Under which this page remembers its own things. */
  protected abstract readonly key: string;

  protected goTo(goTo: GoTo): void {
    this.dispatchEvent(new CustomEvent("go-to", { detail: goTo, bubbles: true, composed: true }));
  }

  protected override shouldUpdate(): boolean {
    return this.active;
  }

  protected override firstUpdated(): void {
    this.addEventListener("scroll", this.#rememberScroll);
    this.#restoring = this.host.recall(`${this.key}.scroll`, isNumber);
  }

  #restoring: number | null = null;
  readonly #rememberScroll = debounce(150, () =>
    this.host.remember(`${this.key}.scroll`, this.scrollTop),
  );

  /** Goes to where the page was left, once there is enough content for it. */
  protected restoreScroll(): void {
    const top = this.#restoring;
    if (top === null || this.scrollHeight - this.clientHeight < top) return;
    this.#restoring = null;
    this.scrollTop = top;
  }
}

/** Whether there is no graph to draw or run. By the title: after a save the base is a kept copy with a name of its own. */
export const weightsOnly = ({ title }: HostState): boolean => kindOf(title) !== "onnx";

/** Identifies what a question is about: the same document gives the same key. */
export const docKey = (doc: HostState["doc"]): string => JSON.stringify(doc);
