/** The model inspector: a view that shows the selected tensor or node of the active model editor. */
import * as vscode from "vscode";
import { connectPage, type ConnectedPage, type PanelOptions } from "./editorPanel.ts";
import type { ModelDocument } from "./modelDocument.ts";

export const INSPECTOR_VIEW = "lathe.inspector";

export class InspectorProvider implements vscode.WebviewViewProvider {
  readonly #extension: vscode.Uri;
  #view: vscode.WebviewView | null = null;
  #target: PanelOptions | null = null;
  #page: { readonly document: ModelDocument; readonly page: ConnectedPage } | null = null;

  constructor(extension: vscode.Uri) {
    this.#extension = extension;
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    view.onDidDispose(() => {
      this.#view = null;
      this.#leave();
    });
    view.onDidChangeVisibility(() => {
      if (!view.visible) this.#page?.page.hidden();
    });
    this.#load();
  }

  /** Shows what is selected in this document; null when no model editor is active any more. */
  follow(target: PanelOptions | null): void {
    this.#target = target;
    if (target && target.document === this.#page?.document) this.#page.page.refresh();
    else this.#load();
  }

  /** Brings the view to the front without taking the focus. */
  reveal(): void {
    if (this.#view) this.#view.show(true);
    else void vscode.commands.executeCommand(`${INSPECTOR_VIEW}.focus`, { preserveFocus: true });
  }

  get visible(): boolean {
    return this.#view?.visible === true;
  }

  #load(): void {
    const view = this.#view;
    if (!view) return;
    this.#leave();
    const target = this.#target;
    if (target)
      this.#page = {
        document: target.document,
        page: connectPage(view.webview, view.onDidDispose, "inspector", target),
      };
    else view.webview.html = emptyPage(this.#extension, view.webview);
  }

  #leave(): void {
    this.#page?.page.dispose();
    this.#page = null;
  }
}

function emptyPage(extension: vscode.Uri, webview: vscode.Webview): string {
  webview.options = { enableScripts: false, localResourceRoots: [extension] };
  const text = vscode.l10n.t("Open a model and select a tensor or a node to see it here.");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'"></head>
<body><p>${text}</p></body></html>`;
}
