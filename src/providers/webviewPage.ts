/** The one page that all webviews load, and the wire to it. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Port } from "../shared/wire.ts";
import type { Disposable } from "./disposable.ts";

/** Which part of the bundle a webview shows. */
export type PageView = "editor" | "inspector";

/** Sets the webview's options and HTML. Nothing is loaded but what the extension ships. */
export function loadPage(webview: vscode.Webview, extension: vscode.Uri, view: PageView): void {
  const dist = vscode.Uri.joinPath(extension, "dist");
  webview.options = { enableScripts: true, localResourceRoots: [dist] };
  const script = webview.asWebviewUri(vscode.Uri.joinPath(dist, "webview.js")).toString();
  const nonce = randomBytes(16).toString("base64");
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
  ].join("; ");
  webview.html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Lathe</title>
  </head>
  <body data-view="${view}">
    <script type="module" nonce="${nonce}" src="${script}"></script>
  </body>
</html>`;
}

/** A webview as a port of the wire. It closes with the panel or view, or when it is disposed. */
export function webviewPort(
  webview: vscode.Webview,
  onDispose: vscode.Event<void>,
): Port & Disposable {
  const subscriptions: vscode.Disposable[] = [];
  const closed: ((reason: string) => void)[] = [];
  const close = (): void => {
    vscode.Disposable.from(...subscriptions).dispose();
    for (const listener of closed.splice(0)) listener("closed");
  };
  subscriptions.push(onDispose(close));
  return {
    post: (frame) => void webview.postMessage(frame),
    onMessage: (listener) => void subscriptions.push(webview.onDidReceiveMessage(listener)),
    onClose: (listener) => void closed.push(listener),
    dispose: close,
  };
}
