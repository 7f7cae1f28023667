/** What applying an entry did, in a few lines. */
import { html, nothing, type TemplateResult } from "lit";
import { formatBytes } from "../../src/shared/format.ts";
import type { ApplyResult } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { sizeVerdict } from "./sizeBar.ts";
import { skipList } from "./skipList.ts";

const text = strings.optimize;

/** Styled by `base` and `skipListStyles`. */
export function resultView(result: ApplyResult, actions: TemplateResult): TemplateResult {
  return html`<section class="note result" role="status" data-testid="result">
    <p>
      <strong>${text.result}</strong>
      ${text.resultLine(
        formatBytes(result.bytesBefore),
        formatBytes(result.bytesAfter),
        sizeVerdict(result.bytesBefore, result.bytesAfter),
      )}
      ${text.resultUnits(result.units.length)}
    </p>
    <p>
      ${result.verified === true ? text.verified : text.notVerified(result.verified.skipped)}
      <span class="quiet">${text.undoHint}</span>
    </p>
    <div class="row">${actions}</div>
    ${result.notes.map((note) => html`<p class="note warning">${note}</p>`)}
    ${result.skipped.length === 0 ? nothing : skipList(result.skipped)}
  </section>`;
}
