/** One bundle, three pages: `document.body.dataset.view` says which one this document is. */
import "./editor.ts";
import "./inspector.ts";
import "./report.ts";
import { documentStyles } from "./styles.ts";

const ROOTS: Readonly<Record<string, string>> = {
  editor: "lathe-editor",
  inspector: "lathe-inspector",
  report: "lathe-report",
};

const tag = ROOTS[document.body.dataset["view"] ?? ""];
if (tag !== undefined) {
  const sheet = documentStyles.styleSheet;
  if (sheet) document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  document.body.append(document.createElement(tag));
}
