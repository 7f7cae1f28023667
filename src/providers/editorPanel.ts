/** One editor tab of a document: its page, what the page may ask of the editor, and what it is told. */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { engineErrors } from "../shared/errors.ts";
import type { HostApi, HostState, Selection } from "../shared/protocol.ts";
import type { Handlers } from "../shared/wire.ts";
import { CATALOG } from "./catalogue.ts";
import type { DataMemory } from "./dataMemory.ts";
import type { Disposable } from "./disposable.ts";
import { editorApi, KnownDocs } from "./editorApi.ts";
import type { Engine } from "./engine.ts";
import type { ModelDocument } from "./modelDocument.ts";
import { servePages, type Page } from "./pageSessions.ts";
import { saveDataset } from "./datasetFile.ts";
import { askData, pickDataFile } from "./pickData.ts";
import { pickModel } from "./pickers.ts";
import { checkedEntry } from "./recipe.ts";
import { loadPage, webviewPort, type PageView } from "./webviewPage.ts";

export type Show = NonNullable<HostState["show"]>;

export interface PanelOptions {
  readonly document: ModelDocument;
  readonly engine: Engine;
  readonly extension: vscode.Uri;
  /** Runs long work of the document with progress in the status bar and failures shown. */
  readonly withStatus: <T>(title: string, work: () => Promise<T>) => Promise<T>;
  readonly onChangedOnDisk: () => void;
  readonly onSelect: (selection: Selection | null) => boolean;
  readonly onShow: (show: Show) => void;
  readonly selection: () => Selection | null;
  readonly counterpart: () => HostState["counterpart"];
  /** Compares with the counterpart, in a tab of its own. */
  readonly onCompare: () => Promise<boolean>;
  readonly saved: () => Promise<void>;
  readonly memory: DataMemory;
}

export interface ConnectedPage extends Disposable {
  /** Sends the state as it is now. */
  refresh(): void;
  /** Makes the page show something, now or as soon as it is there. */
  show(show: Show): void;
  /** The page of a hidden tab is gone until it is visible again. */
  hidden(): void;
}

/** Null, or why the document cannot be changed here. */
export const readOnlyReason = (document: ModelDocument): string | null =>
  document.readOnly ?? (vscode.workspace.isTrusted ? null : engineErrors.untrusted().message);

/** Loads the page into a webview and answers it. */
export function connectPage(
  webview: vscode.Webview,
  onDispose: vscode.Event<void>,
  view: PageView,
  options: PanelOptions,
): ConnectedPage {
  const { document } = options;
  const known = new KnownDocs(document);
  let ready = false;
  let pending: Show | null = null;
  const state = (): HostState => {
    known.remember();
    const show = pending;
    pending = null;
    const counterpart = options.counterpart();
    if (counterpart) known.allow(counterpart.doc);
    return {
      doc: document.doc,
      original: document.original,
      title: path.basename(document.uri.path),
      dirty: document.dirty,
      readOnly: readOnlyReason(document),
      counterpart,
      job: document.job,
      show,
      failure:
        document.readOnly === null && document.diskState() === "changed"
          ? engineErrors.changedOnDisk(document.path).failure
          : null,
      reports: document.reports,
      selection: options.selection(),
    };
  };
  const host = (page: Page): Handlers<HostApi> => ({
    ...hostApi(options, known, page),
    ready: () => {
      ready = true;
      return state();
    },
  });
  const port = webviewPort(webview, onDispose);
  const pages = servePages(
    port,
    (page) =>
      editorApi({
        engine: options.engine,
        known,
        host: host(page),
        onChanged: options.onChangedOnDisk,
        saved: options.saved,
      }),
    () => performance.now(),
  );
  loadPage(webview, options.extension, view);
  const refresh = (): void => {
    if (ready) pages.emit(state());
  };
  return {
    refresh,
    show(show) {
      pending = show;
      if (show.compareWith) known.allow(show.compareWith);
      refresh();
    },
    hidden() {
      ready = false;
    },
    dispose: () => port.dispose(),
  };
}

function hostApi(
  options: PanelOptions,
  known: KnownDocs,
  page: Page,
): Omit<Handlers<HostApi>, "ready"> {
  const { document, engine } = options;
  const refuse = (): void => {
    const reason = readOnlyReason(document);
    if (reason === null) return;
    if (document.readOnly === null) throw engineErrors.untrusted();
    throw engineErrors.notWritable(document.path, reason);
  };
  return {
    async run({ entry }, task) {
      refuse();
      const checked = checkedEntry(CATALOG, entry);
      // A page that is only gone because its tab is hidden does not cancel the work it started.
      task.signal.addEventListener("abort", () => {
        if (page.alive) document.cancel();
      });
      const title = CATALOG.find(({ id }) => id === checked.transform)?.title ?? checked.transform;
      return { applied: await options.withStatus(title, () => document.run(checked)) };
    },
    async optimize({ goal }, task) {
      if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
      const title = vscode.l10n.t("Optimizing");
      const result = await options.withStatus(title, () =>
        document.optimize({ goal, title }, task.signal),
      );
      return { result };
    },
    async runAll({ entries }) {
      refuse();
      const checked = entries.map((entry) => checkedEntry(CATALOG, entry));
      const title = vscode.l10n.t("Optimize");
      return { applied: await options.withStatus(title, () => document.runAll(checked, title)) };
    },
    figures: ({ targets }) => ({ figures: document.figures(targets) }),
    openTechnique({ technique, only }) {
      options.onShow({ page: "optimize", technique, only, compareWith: null });
      return { shown: true };
    },
    async analyze({ calls }, task) {
      if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
      const title = vscode.l10n.t("Analyzing");
      const reports = await options.withStatus(title, () =>
        document.analyze({ calls, title }, task.signal),
      );
      return { reports };
    },
    cancel: () => ({ cancelled: document.cancel() }),
    removeEntries({ count }) {
      refuse();
      return { removed: document.removeEntries(count, vscode.l10n.t("Remove from Recipe")) };
    },
    async pickCompare() {
      const file = await pickModel({
        title: vscode.l10n.t("Compare {0} with", path.basename(document.path)),
        exclude: [document.path],
      });
      if (file === null) return null;
      const doc: Doc = await engine.open(file);
      known.allow(doc);
      return { doc };
    },
    async pickData() {
      const title = vscode.l10n.t("Data for {0}", path.basename(document.path));
      const models = [document.path];
      const choice = await askData({ title, models, memory: options.memory, optional: false });
      const data = choice?.of(document.path);
      if (data === undefined) return null;
      document.setData(data);
      return { data };
    },
    forgetData() {
      document.setData(undefined);
      options.memory.remember(document.path, undefined);
      return { forgotten: true };
    },
    async pickDataFile({ folder, title }) {
      const file = await pickDataFile(document.path, folder, title);
      return file === null ? null : { path: file };
    },
    async writeDataset({ text }) {
      if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
      const file = await saveDataset(document.path, text);
      if (file === null) return null;
      document.setData(file);
      options.memory.remember(document.path, file);
      return { data: file };
    },
    async measureDiff({ before, after, latency, activations }, task) {
      if (!vscode.workspace.isTrusted) throw engineErrors.untrusted();
      const title = vscode.l10n.t("Measuring the difference");
      return options.withStatus(title, () =>
        document.measureDiff({ before, after, latency, activations, title }, task.signal),
      );
    },
    openCompare: async () => ({ opened: await options.onCompare() }),
    select: ({ selection }) => ({ shown: options.onSelect(selection) }),
    async openFile({ path: file }) {
      if (!known.isKnownPath(file))
        throw engineErrors.notReadable(file, "it is not beside a model that is open here");
      await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(file));
      return { opened: true };
    },
  };
}
