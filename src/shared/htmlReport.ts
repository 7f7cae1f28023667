/**
 * The HTML report: one file that holds the page's code and the figures, and opens without a server.
 * The code is the editor's webview bundle; `document.body.dataset.view` says which root it shows.
 */
import type {
  ApplyResult,
  DiffMeasures,
  DiffStructure,
  OptimizeResult,
  TensorDiff,
  Verified,
} from "./protocol.ts";

export interface HtmlReport {
  /** File name of the result. */
  readonly title: string;
  /** "Lathe 0.1.0". */
  readonly tool: string;
  /** Files with their external data, in bytes. */
  readonly before: { readonly path: string; readonly sizeBytes: number };
  readonly after: { readonly path: string; readonly sizeBytes: number };
  /** What was applied, in order; empty when two given files were only compared. */
  readonly entries: readonly ApplyResult[];
  /**
   * Of the file as it was saved. Entries are verified only when each was run on its own, which
   * saving a recipe does not do.
   */
  readonly verified?: Verified;
  /** Titles of the techniques, by id, as the catalogue has them. */
  readonly techniqueTitles: Readonly<Record<string, string>>;
  readonly structure: DiffStructure | null;
  /** With SQNR where the values could be compared. */
  readonly tensors: readonly TensorDiff[];
  readonly measures: DiffMeasures | null;
  /** Where a search chose what was applied: what it looked at, and why it decided so. */
  readonly search?: Pick<
    OptimizeResult,
    "considered" | "reasons" | "suggestions" | "data" | "notes"
  >;
}

/** Where the page finds its figures. */
export const REPORT_ELEMENT_ID = "lathe-report";

/** Characters that would end a script element or open a comment inside it. */
const inScript = (text: string): string => text.replaceAll("<", "\\u003c");

/** The same for code, where `<` is also an operator: only the sequences that HTML looks for. */
const codeInScript = (code: string): string =>
  code.replace(/<(?=\/script|!--)/gi, "\\x3c").replace(/^\/\/# sourceMappingURL=.*$/gm, "");

const inHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/**
 * The whole page.
 * @param bundle text of `dist/webview.js`.
 */
export function htmlReport(report: HtmlReport, bundle: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${inHtml(report.title)}</title>
</head>
<body data-view="report">
<noscript>This report needs JavaScript to show its figures.</noscript>
<script type="application/json" id="${REPORT_ELEMENT_ID}">${inScript(JSON.stringify(report))}</script>
<script type="module">${codeInScript(bundle)}</script>
</body>
</html>
`;
}
