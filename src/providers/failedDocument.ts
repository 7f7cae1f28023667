/**
 * A file that could not be opened as a model. It has a tab all the same, whose page says why and can
 * try again; VS Code's own way would be a modal dialog.
 */
import type { CustomDocument, Uri, WebviewPanel } from "vscode";
import type { LatheError } from "../shared/errors.ts";
import type { HostState, WebviewApi } from "../shared/protocol.ts";
import type { Handlers } from "../shared/wire.ts";
import { servePages } from "./pageSessions.ts";
import { loadPage, webviewPort } from "./webviewPage.ts";

export class FailedDocument implements CustomDocument {
  readonly uri: Uri;
  readonly error: LatheError;
  /** Settles when VS Code has forgotten the document, so that the file can be opened anew. */
  readonly closed: Promise<void>;
  #close: () => void = () => undefined;
  constructor(uri: Uri, error: LatheError) {
    this.uri = uri;
    this.error = error;
    this.closed = new Promise((resolve) => (this.#close = resolve));
  }
  dispose(): void {
    this.#close();
  }
}

/**
 * Shows the failure in a tab. The page asks for the state once when it is loaded and again at each
 * "Retry".
 * @param reopen opens the file anew in place of this tab; rejects when it still is no model.
 */
export function showFailedDocument(
  document: FailedDocument,
  panel: WebviewPanel,
  extension: Uri,
  reopen: () => Promise<void>,
): void {
  let first = true;
  const fail = (): never => {
    throw document.error;
  };
  const handlers: Handlers<WebviewApi> = {
    async ready(): Promise<HostState> {
      if (!first) await reopen();
      first = false;
      return fail();
    },
    summary: fail,
    validate: fail,
    tensors: fail,
    tensorTree: fail,
    tensorStats: fail,
    nodes: fail,
    node: fail,
    plan: fail,
    dataPreview: fail,
    diffStructure: fail,
    graph: fail,
    graphNames: fail,
    run: fail,
    optimize: fail,
    runAll: fail,
    analyze: fail,
    figures: fail,
    openTechnique: fail,
    cancel: () => ({ cancelled: false }),
    pickCompare: fail,
    pickData: fail,
    forgetData: fail,
    pickDataFile: fail,
    writeDataset: fail,
    measureDiff: fail,
    select: () => ({ shown: false }),
    removeEntries: fail,
    openFile: fail,
    openCompare: fail,
  };
  const port = webviewPort(panel.webview, panel.onDidDispose);
  servePages(
    port,
    () => handlers,
    () => performance.now(),
  );
  loadPage(panel.webview, extension, "editor");
}
