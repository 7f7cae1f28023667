/**
 * A model that is open in an editor: the base file whose bytes are read, the recipe applied to it,
 * and what the user's file holds at the moment. It computes nothing and knows no windows; `vscode`
 * appears as types only, so that its rules are tested without an editor.
 *
 * - An edit is a longer or shorter recipe; undo and redo never compute.
 * - One job at a time. An edit while it runs is refused; an undo, which cannot be refused, ends it.
 * - Saving over the base goes on reading the kept old bytes, so that undo survives the save.
 */
import { extensionOf, formatOfKind, kindOf } from "../shared/modelPath.ts";
import type { CustomDocument, Uri } from "vscode";
import type { BaseFile, Doc, Entry } from "../shared/doc.ts";
import { Cancelled, engineErrors, LatheError } from "../shared/errors.ts";
import type { Report } from "../shared/report.ts";
import type {
  AnalyzerCall,
  ApplyResult,
  DiffMeasures,
  OptimizeGoal,
  OptimizeResult,
  SaveResult,
  TargetFigures,
  TensorDiff,
} from "../shared/protocol.ts";
import type { Signal } from "../shared/task.ts";
import type { CallOptions } from "../shared/wire.ts";
import type { Disposable } from "./disposable.ts";
import type { Engine } from "./engine.ts";
import { fileStateOf, sameFileState, statFile, type FileState } from "./fileState.ts";
import { ReportShelf } from "./reportShelf.ts";
import { JobSlot, type RunningJob } from "./jobSlot.ts";
import { docKey, removeRecipeFile, sameRecipe } from "./recipe.ts";

/** One undoable change, as `onDidChangeCustomDocument` wants it. */
export interface DocumentEdit {
  readonly label: string;
  undo(): void;
  redo(): void;
}

/** What the user's file holds: the recipe it was last saved with, and how it looked then. */
interface DiskState {
  readonly recipe: readonly Entry[];
  readonly file: FileState;
}

/** Everything that hot exit has to bring back. */
export interface Backup {
  readonly version: 1;
  readonly base: BaseFile;
  readonly recipe: readonly Entry[];
  readonly data?: string;
  readonly disk: DiskState;
}

export interface ModelDocumentOptions {
  readonly uri: Uri;
  /** The file on this machine: the user's own, or a read-only copy of something elsewhere. */
  readonly path: string;
  /** Why it can never be changed, for a copy; null for the user's own file. */
  readonly readOnly: string | null;
  readonly engine: Engine;
  /** Title of a technique for the undo menu and progress. */
  readonly titleOf: (transform: string) => string;
  readonly data: string | undefined;
}

export type Disk = "same" | "changed" | "missing";

export class ModelDocument implements CustomDocument {
  readonly uri: Uri;
  readonly path: string;
  readonly readOnly: string | null;
  /** Something to tell the user about how the document came back from a backup. */
  readonly restoreNote: "reapplied" | "lost" | null;
  readonly #engine: Engine;
  readonly #titleOf: (transform: string) => string;
  readonly #changeListeners = new Set<() => void>();
  readonly #editListeners = new Set<(edit: DocumentEdit) => void>();
  readonly #disposeListeners = new Set<() => void>();
  #base: BaseFile;
  #recipe: readonly Entry[];
  #data: string | undefined;
  #disk: DiskState;
  /** Raised when the base is replaced by other content: older edits mean nothing any more. */
  #generation = 0;
  readonly #reports = new ReportShelf();
  readonly #jobs = new JobSlot(() => this.#changed());
  #wroteRecipeFile = false;

  private constructor(
    options: ModelDocumentOptions,
    state: { base: BaseFile; recipe: readonly Entry[]; data: string | undefined; disk: DiskState },
    restoreNote: ModelDocument["restoreNote"],
  ) {
    this.uri = options.uri;
    this.path = options.path;
    this.readOnly = options.readOnly;
    this.#engine = options.engine;
    this.#titleOf = options.titleOf;
    this.#base = state.base;
    this.#recipe = state.recipe;
    this.#data = state.data;
    this.#disk = state.disk;
    this.restoreNote = restoreNote;
  }

  /** @throws LatheError when the file is not a model that can be opened. */
  static async open(options: ModelDocumentOptions): Promise<ModelDocument> {
    const { base } = await options.engine.open(options.path);
    const disk = { recipe: [], file: fileStateOf(base) };
    return new ModelDocument(options, { base, recipe: [], data: options.data, disk }, null);
  }

  /** Brings a document back with its unsaved edits, as far as its base still exists. */
  static async restore(options: ModelDocumentOptions, backup: Backup): Promise<ModelDocument> {
    const data = backup.data ?? options.data;
    const kept = await baseIfSame(options.engine, backup.base);
    if (kept !== null) return new ModelDocument(options, { ...backup, data, base: kept }, null);
    // The base is not what it was. The user's file holds `disk.recipe` already; what comes after it
    // can be applied to the file as it is now.
    const { base } = await options.engine.open(options.path);
    const isPrefix = sameRecipe(
      backup.recipe.slice(0, backup.disk.recipe.length),
      backup.disk.recipe,
    );
    const recipe = isPrefix ? backup.recipe.slice(backup.disk.recipe.length) : [];
    const disk = { recipe: [], file: fileStateOf(base) };
    return new ModelDocument(
      options,
      { base, recipe, data, disk },
      isPrefix ? "reapplied" : "lost",
    );
  }

  get doc(): Doc {
    return this.#withRecipe(this.#recipe);
  }
  /** The model as it was opened, for before and after. */
  get original(): Doc {
    return this.#withRecipe([]);
  }
  get dirty(): boolean {
    return !sameRecipe(this.#recipe, this.#disk.recipe);
  }
  get job(): RunningJob | null {
    return this.#jobs.running;
  }
  /** The bytes of the base are still there although the user's file was changed by others. */
  get baseIsKept(): boolean {
    return this.#base.path !== this.path;
  }

  onChange(listener: () => void): Disposable {
    this.#changeListeners.add(listener);
    return { dispose: () => this.#changeListeners.delete(listener) };
  }
  onEdit(listener: (edit: DocumentEdit) => void): Disposable {
    this.#editListeners.add(listener);
    return { dispose: () => this.#editListeners.delete(listener) };
  }

  onDispose(listener: () => void): Disposable {
    this.#disposeListeners.add(listener);
    return { dispose: () => this.#disposeListeners.delete(listener) };
  }

  setData(data: string | undefined): void {
    this.#data = data;
    this.#changed();
  }

  /**
   * Computes and verifies one more entry and makes it an edit. An entry that changes nothing is
   * answered but is no edit.
   * @throws LatheError; Cancelled when the recipe is another by the time the result is there.
   */
  async run(entry: Entry, signal?: Signal): Promise<ApplyResult> {
    const before = this.#recipe;
    const applied = await this.#jobs.run(this.#titleOf(entry.transform), signal, (options) =>
      this.#engine.job("apply", { doc: this.doc, entry, verify: true }, options),
    );
    if (this.#recipe !== before) throw new Cancelled();
    if (applied.units.length > 0)
      this.#edit(this.#titleOf(entry.transform), [...before, applied.entry]);
    return applied;
  }

  /**
   * Computes several entries, verifies the last, and makes them one edit. Entries that change nothing
   * are left out.
   * @throws LatheError; Cancelled when the recipe is another by the time the results are there.
   */
  async runAll(entries: readonly Entry[], label: string): Promise<readonly ApplyResult[]> {
    const before = this.#recipe;
    const applied = await this.#jobs.run(label, undefined, async (options) => {
      const done: ApplyResult[] = [];
      for (const [i, entry] of entries.entries()) {
        const recipe = [...before, ...effective(done)];
        const share = (fraction: number, message: string): void =>
          options.onProgress?.((i + fraction) / entries.length, message);
        done.push(
          await this.#engine.job(
            "apply",
            { doc: this.#withRecipe(recipe), entry, verify: i === entries.length - 1 },
            { ...options, onProgress: share },
          ),
        );
      }
      return done;
    });
    if (this.#recipe !== before) throw new Cancelled();
    const changed = effective(applied);
    if (changed.length > 0) this.#edit(label, [...before, ...changed]);
    return applied;
  }

  /** Searches for a recipe; nothing changes. */
  async optimize(
    p: { readonly goal: OptimizeGoal; readonly title: string },
    signal?: Signal,
  ): Promise<OptimizeResult> {
    return this.#jobs.run(p.title, signal, (options) =>
      this.#engine.job(
        "optimize",
        { doc: this.doc, goal: p.goal, to: null, overwrite: false, limit: null },
        options,
      ),
    );
  }

  /** Leaves out the last `count` entries as an edit; the number that were left out. */
  removeEntries(count: number, label: string): number {
    this.#jobs.refuseWhenBusy();
    const removed = Math.min(Math.max(0, Math.trunc(count)), this.#recipe.length);
    if (removed > 0) this.#edit(label, this.#recipe.slice(0, -removed));
    return removed;
  }

  /** What only running or reading all weights can say about two models. */
  async measureDiff(
    p: {
      readonly before: Doc;
      readonly after: Doc;
      readonly latency: boolean;
      readonly activations: boolean;
      readonly title: string;
    },
    signal?: Signal,
  ): Promise<{ tensors: readonly TensorDiff[]; measures: DiffMeasures }> {
    const { before, after, latency, activations } = p;
    return this.#jobs.run(p.title, signal, async (options) => {
      const half = (from: number): CallOptions => ({
        ...options,
        onProgress: (fraction, message) => options.onProgress?.(from + fraction / 2, message),
      });
      const { tensors } = await this.#engine.job("diffTensors", { before, after }, half(0));
      const measures = await this.#engine.job(
        "diffMeasures",
        { before, after, data: this.#data ?? null, latency, activations },
        half(0.5),
      );
      return { tensors, measures };
    });
  }

  /** Reports on the document as it is now; nothing changes. */
  async analyze(
    p: { readonly calls: readonly AnalyzerCall[]; readonly title: string },
    signal?: Signal,
  ): Promise<readonly Report[]> {
    const answer = await this.#jobs.run(p.title, signal, (options) =>
      this.#engine.job("analyze", { doc: this.doc, calls: p.calls, limit: null }, options),
    );
    this.#reports.add(docKey(this.doc), answer.reports);
    this.#changed();
    return answer.reports;
  }

  /** Counts the changes of what `figures` can say. */
  get reports(): number {
    return this.#reports.version;
  }
  /** What reports on the document as it is now say about any of these layers or tensors. */
  figures(targets: readonly string[]): readonly TargetFigures[] {
    return this.#reports.figures(docKey(this.doc), targets);
  }

  cancel(): boolean {
    return this.#jobs.cancel();
  }

  /** How the user's file compares with what this document last read from or wrote to it. */
  diskState(): Disk {
    const now = statFile(this.path);
    if (now === null) return "missing";
    return sameFileState(now, this.#disk.file) ? "same" : "changed";
  }

  /**
   * Writes the document to its file. The old bytes are kept by the engine and become the base.
   * @throws LatheError with code `changed` when others changed the file, unless `overwrite`.
   */
  async save(
    p: { readonly title: string; readonly overwrite: boolean },
    signal?: Signal,
  ): Promise<void> {
    if (this.readOnly !== null) throw readOnlyError(this.path, this.readOnly);
    this.#jobs.refuseWhenBusy();
    const disk = this.diskState();
    if (disk === "changed" && !p.overwrite) throw engineErrors.changedOnDisk(this.path);
    if (disk === "same" && !this.dirty) return;
    const recipe = this.#recipe;
    const saved = await this.#save(p.title, this.path, signal);
    if (saved.keptBase !== null) this.#base = (await this.#engine.open(saved.keptBase)).base;
    const file = statFile(this.path);
    if (file === null) throw engineErrors.notFound(this.path);
    this.#disk = { recipe, file };
    if (recipe.length === 0 && this.#wroteRecipeFile) removeRecipeFile(this.path);
    this.#wroteRecipeFile = recipe.length > 0;
    this.#changed();
  }

  /** Writes the document to another file; this document stays as it is. */
  async saveAs(
    p: { readonly title: string; readonly to: string },
    signal?: Signal,
  ): Promise<SaveResult> {
    const [from, to] = [kindOf(this.path), kindOf(p.to)];
    if (from !== null && (to === null || formatOfKind(to) !== formatOfKind(from)))
      throw engineErrors.wrongExtension(p.to, extensionOf(from));
    return this.#save(p.title, p.to, signal);
  }

  /** Back to what the user's file holds now. */
  async revert(): Promise<void> {
    this.cancel();
    if (this.diskState() === "same") this.#recipe = this.#disk.recipe;
    else {
      await this.#reopen([]);
      this.#generation++;
    }
    this.#changed();
  }

  /**
   * Reads the file as others changed it and applies the edits so far to that. They can be undone as
   * before: a recipe says what to do, whatever it is done to.
   */
  async rebase(): Promise<void> {
    this.cancel();
    await this.#reopen(this.#recipe);
    this.#changed();
  }

  backup(): Backup {
    return {
      version: 1,
      base: this.#base,
      recipe: this.#recipe,
      ...(this.#data === undefined ? {} : { data: this.#data }),
      disk: this.#disk,
    };
  }

  dispose(): void {
    this.cancel();
    // An unsaved document's backup may outlive this window and read the kept base again.
    if (this.baseIsKept && !this.dirty)
      this.#engine.release(this.#base.path).catch(() => {
        // The engine removes what nobody released when it is old.
      });
    this.#changeListeners.clear();
    this.#editListeners.clear();
    for (const listener of [...this.#disposeListeners]) listener();
    this.#disposeListeners.clear();
  }

  #withRecipe(recipe: readonly Entry[]): Doc {
    return { base: this.#base, recipe, ...(this.#data === undefined ? {} : { data: this.#data }) };
  }

  async #reopen(recipe: readonly Entry[]): Promise<void> {
    const { base } = await this.#engine.open(this.path);
    this.#base = base;
    this.#recipe = recipe;
    this.#disk = { recipe: [], file: fileStateOf(base) };
  }

  #save(title: string, to: string, signal: Signal | undefined): Promise<SaveResult> {
    const changed = this.#recipe.length > 0;
    const params = {
      doc: this.doc,
      to,
      // Without a recipe the bytes are the base's own, so there is nothing to verify or record.
      options: { externalData: "auto", overwrite: true, verify: changed, recipeFile: changed },
    } as const;
    const work = (options: CallOptions): Promise<SaveResult> =>
      this.#engine.job("save", params, options);
    return this.#jobs.run(title, signal, work, "counts");
  }

  #edit(label: string, after: readonly Entry[]): void {
    const before = this.#recipe;
    const generation = this.#generation;
    const go = (recipe: readonly Entry[]): void => {
      // A result or a save of the recipe that is being left must not count.
      this.cancel();
      if (generation !== this.#generation) return;
      this.#recipe = recipe;
      this.#changed();
    };
    this.#recipe = after;
    const edit = { label, undo: () => go(before), redo: () => go(after) };
    for (const listener of [...this.#editListeners]) listener(edit);
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#changeListeners]) listener();
  }
}

const effective = (applied: readonly ApplyResult[]): readonly Entry[] =>
  applied.filter(({ units }) => units.length > 0).map(({ entry }) => entry);

/** The base as it is now if it still has the content it had, else null. */
async function baseIfSame(engine: Engine, base: BaseFile): Promise<BaseFile | null> {
  try {
    const now = (await engine.open(base.path)).base;
    const same =
      now.fingerprint.sizeBytes === base.fingerprint.sizeBytes &&
      now.fingerprint.mtimeMs === base.fingerprint.mtimeMs &&
      now.fingerprint.ends === base.fingerprint.ends;
    return same ? now : null;
  } catch (error) {
    if (error instanceof LatheError) return null;
    throw error;
  }
}

const readOnlyError = (file: string, reason: string): LatheError =>
  engineErrors.notWritable(file, reason);
