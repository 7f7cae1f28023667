/** A form that describes data as a dataset.json: which file feeds which input, and the steps in between. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-option/index.js";
import "@vscode-elements/elements/dist/vscode-single-select/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { css, html, nothing, type ReactiveControllerHost, type TemplateResult } from "lit";
import { toFailure, type Failure } from "../../src/shared/errors.ts";
import { strings } from "../strings.ts";
import { datasetJson, type InputDraft } from "./datasetDraft.ts";
import { failureView } from "./failureView.ts";

const text = strings.data;

const TASKS = ["classification", "language-model", "regression", "agreement"];
const CHANNELS = ["RGB", "BGR", "L"];
const LAYOUTS = ["NHWC->NCHW", "NCHW->NHWC", "NHW->NCHW", "NHW->NHWC"];

export interface FormActions {
  /** Asks for a file or folder; null when dismissed. */
  readonly pick: (folder: boolean, title: string) => Promise<string | null>;
  /** Writes the JSON where the user says; false when dismissed. */
  readonly write: (json: string) => Promise<boolean>;
  readonly readOnly: string | null;
}

export class DatasetForm {
  readonly #host: ReactiveControllerHost;
  readonly #inputs = new Map<string, InputDraft>();
  #task = "classification";
  #labels = "";
  #problems: ReadonlyMap<string, string> = new Map();
  /** Fields are judged from the first attempt to write on. */
  #attempted = false;
  #failure: Failure | null = null;
  #note = "";

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
  }

  view(inputs: readonly string[], actions: FormActions): TemplateResult {
    if (this.#attempted) this.#problems = this.#json(inputs).problems;
    return html`<div class="dataset-form" data-testid="dataset-form">
      <p class="quiet">${text.formWhy}</p>
      <div class="fields">
        ${this.#select(text.taskField, TASKS, this.#task, false, (value) => (this.#task = value))}
        ${
          this.#task === "classification"
            ? this.#path(text.labelsField, this.#labels, actions, false, (value) => {
                this.#labels = value;
              })
            : nothing
        }
      </div>
      ${inputs.map((name) => this.#input(name, actions))}
      <div class="row">
        <vscode-button
          data-testid="write-dataset"
          ?disabled=${actions.readOnly !== null}
          @click=${() => void this.#write(inputs, actions)}
          >${text.write}</vscode-button
        >
        <span class="quiet" role="status">${actions.readOnly ?? this.#note}</span>
      </div>
      ${this.#failure ? failureView(this.#failure, null) : nothing}
    </div>`;
  }

  #input(name: string, actions: FormActions): TemplateResult {
    const draft = this.#inputs.get(name) ?? {};
    const set =
      (key: keyof InputDraft) =>
      (value: string): void => {
        this.#inputs.set(name, { ...this.#inputs.get(name), [key]: value });
      };
    const folder = draft.kind === "folder";
    const field = (key: keyof InputDraft, title: string, hint: string): TemplateResult =>
      this.#text(`${name}.${key}`, title, draft[key] ?? "", hint, set(key));
    return html`<fieldset>
      <legend>${text.input(name)}</legend>
      <div class="fields">
        ${this.#select(
          text.kind,
          [text.kinds.file, text.kinds.folder],
          folder ? text.kinds.folder : text.kinds.file,
          false,
          (value) => set("kind")(value === text.kinds.folder ? "folder" : "file"),
        )}
        ${this.#path(text.path, draft.path ?? "", actions, folder, set("path"), `${name}.path`)}
        ${this.#path(text.calibrationField, draft.calibration ?? "", actions, folder, set("calibration"))}
        ${this.#select(text.channels, CHANNELS, draft.channels ?? "", true, set("channels"))}
        ${this.#select(text.layout, LAYOUTS, draft.layout ?? "", true, set("layout"))}
        ${field("scale", text.scale, "")} ${field("mean", text.meanField, text.listHint)}
        ${field("std", text.stdField, text.listHint)}
        ${field("reshape", text.reshape, text.reshapeHint)}
      </div>
    </fieldset>`;
  }

  #text(
    key: string,
    title: string,
    value: string,
    hint: string,
    set: (value: string) => void,
  ): TemplateResult {
    const problem = this.#problems.get(key);
    return html`<div class="field">
      <div class="field-title" aria-hidden="true">${title}</div>
      <vscode-textfield
        .label=${title}
        ?invalid=${problem !== undefined}
        .value=${value}
        @input=${(event: Event) => {
          set((event.currentTarget as HTMLInputElement).value);
          this.#host.requestUpdate();
        }}
      ></vscode-textfield>
      ${problem === undefined ? nothing : html`<div class="problem" role="alert">${problem}</div>`}
      ${hint === "" ? nothing : html`<div class="quiet hint">${hint}</div>`}
    </div>`;
  }

  #path(
    title: string,
    value: string,
    actions: FormActions,
    folder: boolean,
    set: (value: string) => void,
    key = "",
  ): TemplateResult {
    const problem = this.#problems.get(key);
    const browse = async (): Promise<void> => {
      const chosen = await actions.pick(folder, title);
      if (chosen !== null) set(chosen);
      this.#host.requestUpdate();
    };
    return html`<div class="field path">
      <div class="field-title" aria-hidden="true">${title}</div>
      <div class="row tight">
        <vscode-textfield
          .label=${title}
          ?invalid=${problem !== undefined}
          .value=${value}
          @input=${(event: Event) => {
            set((event.currentTarget as HTMLInputElement).value);
            this.#host.requestUpdate();
          }}
        ></vscode-textfield>
        <vscode-button secondary aria-label="${title}: ${text.browse}" @click=${() => void browse()}
          >${text.browse}</vscode-button
        >
      </div>
      ${problem === undefined ? nothing : html`<div class="problem" role="alert">${problem}</div>`}
    </div>`;
  }

  #select(
    title: string,
    options: readonly string[],
    value: string,
    optional: boolean,
    set: (value: string) => void,
  ): TemplateResult {
    return html`<div class="field">
      <div class="field-title" aria-hidden="true">${title}</div>
      <vscode-single-select
        label=${title}
        .value=${value}
        @change=${(event: Event) => {
          set((event.currentTarget as HTMLInputElement).value);
          this.#host.requestUpdate();
        }}
      >
        ${
          optional
            ? html`<vscode-option value="" ?selected=${value === ""}
                >${text.asStored}</vscode-option
              >`
            : nothing
        }
        ${options.map(
          (option) =>
            html`<vscode-option value=${option} ?selected=${option === value}
              >${option}</vscode-option
            >`,
        )}
      </vscode-single-select>
    </div>`;
  }

  #json(inputs: readonly string[]): ReturnType<typeof datasetJson> {
    return datasetJson(this.#task, this.#labels, inputs, this.#inputs);
  }

  async #write(inputs: readonly string[], actions: FormActions): Promise<void> {
    const { json } = this.#json(inputs);
    this.#attempted = true;
    this.#failure = null;
    this.#note = "";
    this.#host.requestUpdate();
    if (json === null) return;
    try {
      this.#note = (await actions.write(json)) ? "" : text.dismissed;
    } catch (error) {
      this.#failure = toFailure(error);
    }
    this.#host.requestUpdate();
  }
}

export const datasetFormStyles = css`
  .dataset-form fieldset {
    /* A fieldset is as wide as its longest word otherwise. */
    min-width: 0;
    margin: 0 0 16px;
    border: 1px solid var(--line);
    border-radius: 4px;
    padding: 8px 12px 12px;
  }
  .dataset-form legend {
    max-width: 100%;
    padding: 0 4px;
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .dataset-form .fields {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr));
    gap: 12px 24px;
    align-items: start;
    margin-bottom: 12px;
  }
  .dataset-form .field.path {
    grid-column: span 2;
  }
  .dataset-form .field-title {
    margin-bottom: 4px;
  }
  .dataset-form vscode-textfield,
  .dataset-form vscode-single-select {
    width: 100%;
  }
  .dataset-form .row.tight {
    flex-wrap: nowrap;
    gap: 6px;
  }
  .dataset-form .row.tight vscode-textfield {
    flex: 1;
    min-width: 0;
  }
  .dataset-form .hint {
    margin-top: 4px;
    font-size: 0.92em;
  }
  .dataset-form .problem {
    margin-top: 4px;
    padding: 2px 6px;
    border: 1px solid var(--vscode-inputValidation-errorBorder, var(--line));
    background: var(--vscode-inputValidation-errorBackground, transparent);
    color: var(--vscode-inputValidation-errorForeground, inherit);
  }
  @container (max-width: 560px) {
    .dataset-form .field.path {
      grid-column: span 1;
    }
  }
`;
