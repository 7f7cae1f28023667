/** The files of a model that has several, named from the model's own folder, with their sizes. */
import { css, html, nothing, type TemplateResult } from "lit";
import { formatBytes } from "../../src/shared/format.ts";
import type { Summary } from "../../src/shared/protocol.ts";
import { strings } from "../strings.ts";
import { breakableName } from "./name.ts";

/** Large models have hundreds of shards; so many are shown at once, the others on demand. */
const SHOWN = 8;

export function fileList({ path, files }: Pick<Summary, "path" | "files">): TemplateResult {
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const list = (part: Summary["files"]): TemplateResult =>
    html`<ul class="files">
      ${part.map(
        (file) =>
          html`<li>
            <span>${breakableName(relative(file.path, folder))}</span>
            <span class="quiet">${formatBytes(file.sizeBytes)}</span>
          </li>`,
      )}
    </ul>`;
  const rest = files.slice(SHOWN);
  return html`${list(files.slice(0, SHOWN))}${
    rest.length === 0
      ? nothing
      : html`<details>
          <summary>${strings.summary.moreFiles(rest.length)}</summary>
          ${list(rest)}
        </details>`
  }`;
}

const relative = (path: string, folder: string): string =>
  path.startsWith(folder) ? path.slice(folder.length) : path;

export const fileListStyles = css`
  .files {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .files li {
    display: flex;
    gap: 12px;
    justify-content: space-between;
  }
  .files .quiet {
    flex: none;
  }
`;
