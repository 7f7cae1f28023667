/** A form made from a parameter schema; every field says what it takes and what is wrong with its value. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-checkbox/index.js";
import "@vscode-elements/elements/dist/vscode-option/index.js";
import "@vscode-elements/elements/dist/vscode-single-select/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { css, html, nothing, type TemplateResult } from "lit";
import type { ParamValue, ParamValues } from "../../src/shared/doc.ts";
import { ParamError } from "../../src/shared/errors.ts";
import { parseParam, readParams, type Param, type ParamSchema } from "../../src/shared/params.ts";
import { strings } from "../strings.ts";

export interface Checked {
  /** All values with defaults filled in; null when one is wrong. */
  readonly values: ParamValues | null;
  /** What is wrong, by key. */
  readonly problems: ReadonlyMap<string, string>;
}

/** Each value is checked on its own, so that all problems show at once. */
export function checkParams(id: string, schema: ParamSchema, draft: ParamValues): Checked {
  const problems = new Map<string, string>();
  const values: Record<string, ParamValue> = {};
  for (const [key, param] of Object.entries(schema)) {
    const given = draft[key];
    try {
      const read = readParams(id, { [key]: param }, given === undefined ? {} : { [key]: given });
      values[key] = read[key] ?? param.default;
    } catch (error) {
      if (!(error instanceof ParamError)) throw error;
      problems.set(key, error.failure.hint ?? error.failure.message);
    }
  }
  return { values: problems.size === 0 ? values : null, problems };
}

export function paramForm(
  schema: ParamSchema,
  draft: ParamValues,
  problems: ReadonlyMap<string, string>,
  change: (key: string, value: ParamValue | null) => void,
): TemplateResult {
  const keys = Object.keys(schema);
  if (keys.length === 0) return html`<p class="quiet">${strings.optimize.noParameters}</p>`;
  return html`<div class="form" data-testid="form">
    ${Object.entries(schema).map(([key, param]) => {
      const value = draft[key] ?? param.default;
      const problem = problems.get(key);
      return html`<div class="field ${problem === undefined ? "" : "wrong"}" data-param=${key}>
        <div class="field-title" aria-hidden=${param.type === "flag" ? "false" : "true"}>
          ${param.title}
          ${value === param.default ? nothing : html`<span class="tag plain">${strings.params.changed}</span>`}
        </div>
        ${input(param, value, problem !== undefined, (next) => change(key, next))}
        ${
          problem === undefined ? nothing : html`<div class="problem" role="alert">${problem}</div>`
        }
        <div class="help quiet">${param.help}</div>
      </div>`;
    })}
    <vscode-button
      secondary
      ?disabled=${Object.keys(draft).length === 0}
      @click=${() => {
        for (const key of keys) change(key, null);
      }}
      >${strings.optimize.reset}</vscode-button
    >
  </div>`;
}

/** As words: "insideBlocks" is "inside blocks". What is typed on the command line stays one word. */
const optionWords = (option: string): string =>
  option.replace(/(?<=[a-z])[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);

function input(
  param: Param,
  value: ParamValue,
  wrong: boolean,
  set: (value: ParamValue) => void,
): TemplateResult {
  const read = (event: Event): void =>
    set(parseParam(param, (event.currentTarget as HTMLInputElement).value));
  if (param.type === "flag")
    return html`<vscode-checkbox
      label=${strings.params.on}
      aria-label=${param.title}
      .checked=${value === true}
      @change=${(event: Event) => set((event.currentTarget as HTMLInputElement).checked)}
    ></vscode-checkbox>`;
  const options =
    param.type === "choice"
      ? param.of
      : param.type === "number"
        ? param.of?.map(String)
        : undefined;
  if (options)
    return html`<vscode-single-select
      label=${param.title}
      ?invalid=${wrong}
      .value=${String(value)}
      @change=${read}
    >
      ${options.map(
        (option) =>
          html`<vscode-option value=${option} ?selected=${option === String(value)}
            >${optionWords(option)}</vscode-option
          >`,
      )}
    </vscode-single-select>`;
  const unit = param.type === "number" && param.unit !== undefined ? ` ${param.unit}` : "";
  const range = param.type === "number" ? strings.params.range(param.min, param.max, unit) : "";
  return html`<div class="row">
    <vscode-textfield
      .label=${range === "" ? param.title : `${param.title}, ${range}`}
      class=${param.type}
      inputmode=${param.type === "text" ? "text" : "decimal"}
      ?invalid=${wrong}
      .value=${String(value)}
      @input=${read}
    ></vscode-textfield>
    ${range === "" ? nothing : html`<span class="quiet">${range}</span>`}
  </div>`;
}

export const paramFormStyles = css`
  .form {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr));
    gap: 16px 24px;
    align-items: start;
  }
  .form > vscode-button {
    justify-self: start;
    grid-column: 1 / -1;
  }
  .field-title {
    margin-bottom: 4px;
    font-weight: 600;
  }
  .field .help {
    margin-top: 4px;
    line-height: 1.4;
  }
  .field .problem {
    margin-top: 4px;
    padding: 2px 6px;
    border: 1px solid var(--vscode-inputValidation-errorBorder, var(--line));
    background: var(--vscode-inputValidation-errorBackground, transparent);
    color: var(--vscode-inputValidation-errorForeground, inherit);
  }
  .field vscode-textfield {
    width: 120px;
  }
  .field vscode-textfield.text {
    width: min(100%, 320px);
  }
  .field vscode-single-select {
    width: min(100%, 220px);
  }
`;
