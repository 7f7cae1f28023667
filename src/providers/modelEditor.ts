/**
 * The custom editor: opens documents, gives each tab its page, and carries VS Code's save, revert,
 * undo and backup to the document.
 */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { Cancelled, LatheError, toFailure } from "../shared/errors.ts";
import type { Selection } from "../shared/protocol.ts";
import { titleOf } from "./catalogue.ts";
import { askAboutChange } from "./changedOnDisk.ts";
import type { DataMemory } from "./dataMemory.ts";
import { connectPage, type ConnectedPage, type PanelOptions, type Show } from "./editorPanel.ts";
import type { Engine } from "./engine.ts";
import { asEditorError, showFailure, signalOf } from "./failures.ts";
import { FailedDocument, showFailedDocument } from "./failedDocument.ts";
import { kindOf } from "../shared/modelPath.ts";
import type { Disposable } from "./disposable.ts";
import { ModelDocument, type Backup, type ModelDocumentOptions } from "./modelDocument.ts";
import { fetchCopy, type RemoteCopy } from "./remoteCopy.ts";
import { compareVersions, versionTitle } from "./versions.ts";

/** Of files, and of an index that makes one model of several. */
export const VIEW_TYPES = ["lathe.model", "lathe.shards"] as const;
const viewTypeOf = (uri: vscode.Uri): string =>
  kindOf(uri.path) === "shards" ? VIEW_TYPES[1] : VIEW_TYPES[0];
/** Changes of a file arrive as several events; one look afterwards is enough. */
const WATCH_DELAY_MS = 300;

export interface ModelEditorOptions {
  readonly engine: Engine;
  readonly log: vscode.LogOutputChannel;
  readonly context: vscode.ExtensionContext;
  readonly memory: DataMemory;
  readonly withStatus: <T>(
    document: ModelDocument,
    title: string,
    work: () => Promise<T>,
  ) => Promise<T>;
  /** A document was activated, changed or closed; null: none is active. */
  readonly onActive: (open: OpenDocument | null) => void;
  /** Keeps the findings about a document in the Problems panel for as long as it is open. */
  readonly diagnose: (document: ModelDocument) => Disposable;
  readonly diagnoseFailure: (document: FailedDocument) => void;
  /** A page selected something: show it in the inspector. */
  readonly onSelect: (open: OpenDocument) => boolean;
}

interface Tab {
  readonly panel: vscode.WebviewPanel;
  readonly page: ConnectedPage;
}

/** A document with its tabs, and what belongs to it beside its content. */
export interface OpenDocument {
  readonly document: ModelDocument;
  readonly tabs: Set<Tab>;
  selection: Selection | null;
  /** Settles when the latest save is over. */
  saving: Promise<void>;
  /** The user chose to overwrite what others wrote. */
  overwrite: boolean;
  readonly disposables: Disposable[];
}

type AnyDocument = ModelDocument | FailedDocument;

export class ModelEditorProvider implements vscode.CustomEditorProvider<AnyDocument> {
  readonly #options: ModelEditorOptions;
  readonly #open = new Map<ModelDocument, OpenDocument>();
  readonly #pendingShow = new Map<string, Show>();
  readonly #edits = new vscode.EventEmitter<vscode.CustomDocumentEditEvent<AnyDocument>>();
  readonly onDidChangeCustomDocument = this.#edits.event;

  constructor(options: ModelEditorOptions) {
    this.#options = options;
  }

  /** The document of the active tab. */
  get active(): OpenDocument | null {
    for (const open of this.#open.values())
      for (const { panel } of open.tabs) if (panel.active) return open;
    return null;
  }
  get all(): readonly OpenDocument[] {
    return [...this.#open.values()];
  }
  find(uri: vscode.Uri): OpenDocument | null {
    return this.all.find(({ document }) => document.uri.toString() === uri.toString()) ?? null;
  }

  async openCustomDocument(
    uri: vscode.Uri,
    { backupId }: vscode.CustomDocumentOpenContext,
  ): Promise<AnyDocument> {
    const { engine, memory, log } = this.#options;
    let copy: RemoteCopy | null = null;
    try {
      copy = uri.scheme === "file" ? null : await fetchCopy(uri);
      const file = copy?.path ?? uri.fsPath;
      const options: ModelDocumentOptions = {
        uri,
        path: file,
        readOnly: copy?.reason ?? null,
        engine,
        titleOf,
        data: memory.recall(file),
      };
      const backup = backupId === undefined ? null : await readBackup(backupId, log);
      const document = backup
        ? await ModelDocument.restore(options, backup)
        : await ModelDocument.open(options);
      this.#register(document, copy ? [copy] : []);
      return document;
    } catch (error) {
      copy?.dispose();
      log.error(String(error));
      // A backup must not be given up because its file cannot be read at the moment.
      if (error instanceof LatheError && !(error instanceof Cancelled) && backupId === undefined) {
        const failed = new FailedDocument(uri, error);
        this.#options.diagnoseFailure(failed);
        return failed;
      }
      throw asEditorError(error);
    }
  }

  resolveCustomEditor(document: AnyDocument, panel: vscode.WebviewPanel): void {
    const show = this.#pendingShow.get(document.uri.toString());
    this.#pendingShow.delete(document.uri.toString());
    if (document instanceof FailedDocument) {
      const { engine, context } = this.#options;
      showFailedDocument(document, panel, context.extensionUri, async () => {
        if (document.uri.scheme !== "file") throw document.error;
        await engine.open(document.uri.fsPath);
        panel.dispose();
        await document.closed;
        await vscode.commands.executeCommand(
          "vscode.openWith",
          document.uri,
          viewTypeOf(document.uri),
        );
      });
      return;
    }
    const open = this.#entry(document);
    const page = connectPage(panel.webview, panel.onDidDispose, "editor", this.pageOptions(open));
    const tab: Tab = { panel, page };
    open.tabs.add(tab);
    panel.onDidChangeViewState(() => {
      if (!panel.visible) page.hidden();
      this.#options.onActive(this.active);
    });
    panel.onDidDispose(() => {
      open.tabs.delete(tab);
      this.#options.onActive(this.active);
    });
    this.#options.onActive(this.active);
    if (show) page.show(show);
  }

  /** What a page of this document is connected with; the inspector's page too. */
  pageOptions(open: OpenDocument): PanelOptions {
    const { document } = open;
    const { engine, context, log, memory, withStatus, onSelect } = this.#options;
    return {
      document,
      engine,
      extension: context.extensionUri,
      async withStatus(title, work) {
        try {
          return await withStatus(document, title, work);
        } catch (error) {
          // The page shows it in its place; outside of it only what the page may not live to show.
          const seen = [...open.tabs].some(({ panel }) => panel.visible);
          if (!seen || toFailure(error).code === "gone") void showFailure(error, log);
          throw error;
        }
      },
      onChangedOnDisk: () => void this.#checkDisk(open),
      onSelect: (selection) => {
        open.selection = selection;
        this.refresh(open);
        return onSelect(open);
      },
      onShow: (show) => void this.show(document.uri, show),
      counterpart: () => {
        const other = this.#counterpart(open);
        return other
          ? {
              doc: other.document.doc,
              title: versionTitle(other.document.uri),
              isBefore: (compareVersions(other.document.uri, document.uri) ?? 0) < 0,
            }
          : null;
      },
      onCompare: async () => {
        const other = this.#counterpart(open);
        if (!other) return false;
        const uris = [document.uri, other.document.uri];
        const [before, after] = uris.sort((a, b) => compareVersions(a, b) ?? 0);
        if (before && after) await this.compareVersion(before, after);
        return true;
      },
      selection: () => open.selection,
      saved: () => open.saving,
      memory,
    };
  }

  /** Opens the model, or brings its tab to the front, and has it show a page. */
  async show(uri: vscode.Uri, show: Show): Promise<void> {
    const key = uri.toString();
    this.#pendingShow.set(key, show);
    await vscode.commands.executeCommand("vscode.openWith", uri, viewTypeOf(uri));
    const tabs = [...(this.find(uri)?.tabs ?? [])];
    const tab = tabs.find(({ panel }) => panel.active) ?? tabs.find(({ panel }) => panel.visible);
    // A tab that is still being made takes it in resolveCustomEditor.
    if (!tab || !this.#pendingShow.delete(key)) return;
    tab.page.show(show);
  }

  /** Shows the Diff page of `after`, against a copy of `before` that outlives the tab it came from. */
  async compareVersion(before: vscode.Uri, after: vscode.Uri): Promise<void> {
    const { context, engine } = this.#options;
    const copy = await fetchCopy(before, versionTitle(before));
    context.subscriptions.push(copy);
    await this.show(after, {
      page: "diff",
      technique: null,
      compareWith: await engine.open(copy.path),
    });
  }

  /** Another version of the same file that is open: VS Code does not tell who is beside whom. */
  #counterpart({ document }: OpenDocument): OpenDocument | null {
    const isOther = (open: OpenDocument): boolean =>
      compareVersions(open.document.uri, document.uri) !== null;
    return this.all.find(isOther) ?? null;
  }
  #refreshCounterpart(open: OpenDocument): void {
    const other = this.#counterpart(open);
    if (other) this.refresh(other);
  }

  /** The file of a document as it is on disk now, to compare with. */
  openOnDisk(document: ModelDocument): Promise<Doc> {
    return this.#options.engine.open(document.path);
  }

  refresh(open: OpenDocument): void {
    for (const { page } of open.tabs) page.refresh();
  }
  refreshAll(): void {
    for (const open of this.all) this.refresh(open);
  }

  async saveCustomDocument(document: AnyDocument, token: vscode.CancellationToken): Promise<void> {
    const open = this.#entry(document);
    const before = open.saving;
    const saving = (async (): Promise<void> => {
      // VS Code has cancelled the save before; it ends within a second.
      await before;
      await this.#save(open, signalOf(token));
    })();
    open.saving = saving.catch(() => undefined);
    await saving;
  }

  async #save(open: OpenDocument, signal: AbortSignal): Promise<void> {
    const { document } = open;
    const { overwrite } = open;
    open.overwrite = false;
    const title = vscode.l10n.t("Saving {0}", path.basename(document.path));
    try {
      await this.#options.withStatus(document, title, () =>
        document.save({ title, overwrite }, signal),
      );
    } catch (error) {
      if (isChanged(error)) void this.#checkDisk(open);
      throw asEditorError(error);
    }
  }

  async saveCustomDocumentAs(
    saved: AnyDocument,
    destination: vscode.Uri,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const { document } = this.#entry(saved);
    if (destination.toString() === document.uri.toString())
      return this.saveCustomDocument(document, token);
    const title = vscode.l10n.t("Saving {0}", path.basename(destination.path));
    const { withStatus } = this.#options;
    if (destination.scheme !== "file")
      throw new Error(vscode.l10n.t("Models can be saved to folders of this machine only."));
    try {
      await withStatus(document, title, () =>
        document.saveAs({ title, to: destination.fsPath }, signalOf(token)),
      );
    } catch (error) {
      throw asEditorError(error);
    }
  }

  async revertCustomDocument(document: AnyDocument): Promise<void> {
    try {
      await this.#entry(document).document.revert();
    } catch (error) {
      throw asEditorError(error);
    }
  }

  async backupCustomDocument(
    document: AnyDocument,
    { destination }: vscode.CustomDocumentBackupContext,
  ): Promise<vscode.CustomDocumentBackup> {
    const bytes = new TextEncoder().encode(JSON.stringify(this.#entry(document).document.backup()));
    await vscode.workspace.fs.createDirectory(vscode.Uri.joinPath(destination, ".."));
    await vscode.workspace.fs.writeFile(destination, bytes);
    return {
      id: destination.toString(),
      delete: () => void vscode.workspace.fs.delete(destination).then(undefined, () => undefined),
    };
  }

  #register(document: ModelDocument, disposables: readonly Disposable[]): void {
    const open: OpenDocument = {
      document,
      tabs: new Set(),
      selection: null,
      saving: Promise.resolve(),
      overwrite: false,
      disposables: [...disposables],
    };
    this.#open.set(document, open);
    this.#refreshCounterpart(open);
    open.disposables.push(
      document.onChange(() => {
        this.refresh(open);
        this.#options.onActive(this.active);
      }),
      document.onEdit((edit) => this.#edits.fire({ document, ...edit })),
      document.onDispose(() => this.#closed(open)),
      this.#options.diagnose(document),
    );
    if (document.readOnly === null) open.disposables.push(this.#watch(open));
    const note = restoreNote(document);
    if (note !== null) void vscode.window.showWarningMessage(note);
  }

  #closed(open: OpenDocument): void {
    this.#open.delete(open.document);
    this.#refreshCounterpart(open);
    for (const disposable of open.disposables) disposable.dispose();
    this.#options.onActive(this.active);
  }

  #entry(document: AnyDocument): OpenDocument {
    const open = document instanceof FailedDocument ? null : this.#open.get(document);
    if (!open) throw new Error(`${document.uri.path} is not open as a model`);
    return open;
  }

  #watch(open: OpenDocument): Disposable {
    const { path: file } = open.document;
    const folder = vscode.Uri.file(path.dirname(file));
    const pattern = new vscode.RelativePattern(folder, path.basename(file));
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void this.#checkDisk(open), WATCH_DELAY_MS);
    };
    return vscode.Disposable.from(watcher, watcher.onDidChange(look), watcher.onDidCreate(look), {
      dispose: () => clearTimeout(timer),
    });
  }

  /** Others changed the file: a clean document follows it, for a dirty one the user decides. */
  async #checkDisk(open: OpenDocument): Promise<void> {
    const { document } = open;
    await open.saving;
    if (document.diskState() !== "changed") return;
    try {
      if (document.dirty) {
        this.refresh(open);
        await askAboutChange(open, this);
      } else await document.revert();
    } catch (error) {
      await showFailure(error, this.#options.log);
    }
  }
}

const isChanged = (error: unknown): boolean =>
  error instanceof LatheError && error.failure.code === "changed";

function restoreNote(document: ModelDocument): string | null {
  const name = path.basename(document.path);
  switch (document.restoreNote) {
    case null:
      return null;
    case "reapplied":
      return vscode.l10n.t(
        "{0} was changed while it was closed. Its unsaved edits are applied to the file as it is now.",
        name,
      );
    case "lost":
      return vscode.l10n.t(
        "The unsaved edits of {0} could not be restored: the bytes they undo are gone. The file is as it was saved.",
        name,
      );
  }
}

async function readBackup(id: string, log: vscode.LogOutputChannel): Promise<Backup | null> {
  try {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.parse(id));
    const backup = JSON.parse(new TextDecoder().decode(bytes)) as Backup;
    // The extension's own storage: only another version of the extension can have written otherwise.
    if (backup.version === 1) return backup;
    log.warn(`The backup ${id} has version ${String(backup.version)} and is not read.`);
  } catch (error) {
    log.error(`The backup ${id} cannot be read: ${String(error)}`);
  }
  return null;
}
