/** The data a model is calibrated and measured with: chosen, checked against the model, and shown as it will see it. */
import "@vscode-elements/elements/dist/vscode-button/index.js";
import { html, nothing, type TemplateResult } from "lit";
import { formatCount, formatNumber, formatShape, metricTitle } from "../../src/shared/format.ts";
import type { DataPreview, DataSample } from "../../src/shared/protocol.ts";
import { DatasetForm, datasetFormStyles } from "../parts/datasetForm.ts";
import { failureView } from "../parts/failureView.ts";
import { docKey, Page, weightsOnly } from "../parts/page.ts";
import { Question } from "../parts/question.ts";
import { samplePicture } from "../parts/samplePicture.ts";
import { strings } from "../strings.ts";
import { base, facts } from "../styles.ts";
import { dataStyles } from "./dataStyles.ts";

const text = strings.data;
const SHOWN = 6;

class DataPage extends Page {
  static override styles = [base, facts, datasetFormStyles, dataStyles];
  protected override readonly key = "data";
  readonly #preview = new Question<DataPreview>(this);
  readonly #inputs = new Question<readonly string[]>(this);
  readonly #form = new DatasetForm(this);
  #reads = 0;

  protected override willUpdate(): void {
    const { doc } = this.state;
    const { client } = this.host;
    this.#inputs.ask(docKey({ ...doc, recipe: [] }), async (signal) => {
      const { inputs } = await client.call("summary", { doc }, { signal });
      return inputs.map(({ name }) => name);
    });
    if (doc.data === undefined) this.#preview.clear();
    else
      this.#preview.ask(
        JSON.stringify([docKey(doc), this.#reads]),
        (signal) => client.call("dataPreview", { doc, samples: SHOWN }, { signal }),
        this.#preview.value?.path === doc.data,
      );
  }

  protected override render(): TemplateResult {
    const { data } = this.state.doc;
    const inputs = this.#inputs.value ?? [];
    if (weightsOnly(this.state) || (this.#inputs.value && inputs.length === 0))
      return html`<p class="empty quiet" data-testid="no-use">
        ${weightsOnly(this.state) ? text.noGraph : text.noInputs}
      </p>`;
    return html`<div class="page">
      <section class="card" data-testid="data-choice">
        <h3>${text.title}</h3>
        ${
          data === undefined
            ? html`<p>${text.none}</p>
                <p class="quiet">${text.noneWhy}</p>`
            : html`<p class="mono wrap" data-testid="data-path">${data}</p>`
        }
        <div class="row">
          <vscode-button
            data-testid="choose-data"
            @click=${() => void this.host.client.call("pickData", {})}
            >${data === undefined ? text.choose : text.change}</vscode-button
          >
          ${
            data === undefined
              ? nothing
              : html`<vscode-button
                    secondary
                    @click=${() => {
                      this.#reads++;
                      this.requestUpdate();
                    }}
                    >${text.reload}</vscode-button
                  >
                  <vscode-button
                    secondary
                    @click=${() => void this.host.client.call("forgetData", {})}
                    >${text.forget}</vscode-button
                  >`
          }
        </div>
      </section>
      ${data === undefined ? nothing : this.#content()}
      <details class="form-details" ?open=${data === undefined}>
        <summary>${text.form}</summary>
        ${this.#form.view(inputs, {
          pick: async (folder, title) =>
            (await this.host.client.call("pickDataFile", { folder, title }))?.path ?? null,
          write: async (json) =>
            (await this.host.client.call("writeDataset", { text: json })) !== null,
          readOnly: this.state.readOnly,
        })}
      </details>
    </div>`;
  }

  #content(): TemplateResult {
    const { value, failure, loading } = this.#preview;
    if (failure) return failureView(failure, () => this.#preview.retry());
    if (!value)
      return html`<section class="card">
        <span class="visually-hidden" role="status">${text.reading}</span>
        <span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>
      </section>`;
    return html`<div class=${loading ? "busy" : ""}>
      <section class="card" data-testid="data-facts">
        <dl class="facts">
          <dt>${text.task}</dt>
          <dd>${value.task ?? text.noTask}</dd>
          ${
            value.metric === null
              ? nothing
              : html`<dt>${text.metric}</dt>
                  <dd>${metricTitle(value.metric)}</dd>`
          }
          <dt>${text.count}</dt>
          <dd>
            ${text.samples(value.count)}${value.labelled ? nothing : html`<br /><span class="quiet">${text.unlabelled}</span>`}
          </dd>
          <dt>${text.calibration}</dt>
          <dd>
            ${value.calibration === null ? text.noCalibration : text.samples(value.calibration)}
            ${
              value.calibrationProblem === null
                ? nothing
                : html`<br /><span class="quiet"
                      >${value.calibrationProblem.message} ${value.calibrationProblem.hint}</span
                    >`
            }
          </dd>
        </dl>
        ${value.notes.map((note) => html`<p data-testid="data-note">${note}</p>`)}
      </section>
      ${value.inputs.map((input) => this.#input(input, value.labels))}
    </div>`;
  }

  #input(input: DataPreview["inputs"][number], labels: readonly string[]): TemplateResult {
    const pictures = input.samples.some(({ picture }) => picture !== null);
    return html`<section class="card" data-testid="data-input">
      <h3>
        ${text.input(input.name)}
        <span class="quiet mono">${input.dtype} ${formatShape(input.shape)}</span>
      </h3>
      <p class="quiet">${text.asModel}</p>
      ${
        pictures
          ? html`<ul class="pictures">
              ${input.samples.map((sample, index) => this.#card(sample, index, labels[index]))}
            </ul>`
          : this.#table(input.samples, labels)
      }
    </section>`;
  }

  #card(sample: DataSample, index: number, label: string | undefined): TemplateResult {
    return html`<li>
      ${sample.picture ? samplePicture(sample.picture, text.picture(index)) : nothing}
      ${label === undefined ? nothing : html`<div>${text.label} <strong>${label}</strong></div>`}
      <div class="quiet">${range(sample)}</div>
      <div class="quiet">${text.mean} ${formatNumber(sample.mean)}</div>
    </li>`;
  }

  #table(samples: readonly DataSample[], labels: readonly string[]): TemplateResult {
    return html`<div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th class="num">${text.sample}</th>
            ${labels.length > 0 ? html`<th class="num">${text.label}</th>` : nothing}
            <th>${text.range}</th>
            <th>${text.values}</th>
          </tr>
        </thead>
        <tbody>
          ${samples.map(
            (sample, index) =>
              html`<tr>
                <td class="num">${index}</td>
                ${labels.length > 0 ? html`<td class="num">${labels[index] ?? ""}</td>` : nothing}
                <td class="nowrap">${range(sample)}</td>
                <td class="mono values">
                  ${sample.values.join(", ")}
                  ${
                    sample.count > sample.values.length
                      ? html`<span class="quiet">${text.more(sample.count)}</span>`
                      : nothing
                  }
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }
}
customElements.define("lathe-data", DataPage);

const range = ({ min, max, count }: DataSample): string =>
  min === null || max === null ? formatCount(count) : `${formatNumber(min)} … ${formatNumber(max)}`;
