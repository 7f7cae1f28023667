/**
 * What a page may ask, answered: questions go to the engine untouched, once it is sure that they are
 * about this document or one that the user chose to compare it with.
 */
import path from "node:path";
import type { Doc } from "../shared/doc.ts";
import { engineErrors, LatheError } from "../shared/errors.ts";
import type { Answer, HostApi, Params, Queries, WebviewApi } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import type { Handlers } from "../shared/wire.ts";
import type { Engine } from "./engine.ts";
import type { ModelDocument } from "./modelDocument.ts";
import { docKey } from "./recipe.ts";

/** The documents that one page was given, and what each of them is now. */
export class KnownDocs {
  readonly #document: Pick<ModelDocument, "doc" | "path">;
  /** Keys of every state this document has had since the page opened. */
  readonly #own = new Set<string>();
  readonly #compared = new Map<string, Doc>();

  constructor(document: Pick<ModelDocument, "doc" | "path">) {
    this.#document = document;
    this.remember();
  }
  /** Called at each change: the present state and the ones it was made of may be asked about. */
  remember(): void {
    const { doc } = this.#document;
    for (let length = 0; length <= doc.recipe.length; length++)
      this.#own.add(docKey({ ...doc, recipe: doc.recipe.slice(0, length) }));
  }
  allow(doc: Doc): void {
    this.#compared.set(docKey(doc), doc);
  }
  /** Whether the page may have this file opened. */
  isKnownPath(file: string): boolean {
    const folders = [this.#document.path, ...[...this.#compared.values()].map((d) => d.base.path)];
    return folders.some((known) => path.dirname(known) === path.dirname(file));
  }
  /**
   * The document to ask the engine about. A save moves the base to its kept copy, which a question
   * asked a moment earlier cannot know: recipe and data are the page's, the base is the host's.
   * @throws LatheError when the page was never given such a document.
   */
  resolve(asked: Doc): Doc {
    const key = docKey(asked);
    const compared = this.#compared.get(key);
    if (compared) return { ...asked, base: compared.base };
    if (this.#own.has(key)) return { ...asked, base: this.#document.doc.base };
    throw engineErrors.notReadable(asked.base.path, "this page was not given that model");
  }
}

export interface EditorApiOptions {
  readonly engine: Engine;
  readonly known: KnownDocs;
  readonly host: Handlers<HostApi>;
  /** The engine found the file changed by others. */
  readonly onChanged: () => void;
  /** Settles when a save that is under way is over; at once when there is none. */
  readonly saved: () => Promise<void>;
}

/** All handlers of one page. */
export function editorApi(options: EditorApiOptions): Handlers<WebviewApi> {
  const { engine, known, host } = options;
  const resolveAll = <P extends object>(params: P): P => {
    const entries = Object.entries(params).map(([key, value]: [string, unknown]) => [
      key,
      key === "doc" || key === "before" || key === "after" ? known.resolve(value as Doc) : value,
    ]);
    return Object.fromEntries(entries) as P;
  };
  const forward =
    <K extends keyof Queries>(method: K) =>
    async (params: Params<Queries, K>, task: Task): Promise<Answer<Queries, K>> => {
      const call = { signal: task.signal, onProgress: task.progress };
      const ask = (): Promise<Answer<Queries, K>> =>
        engine.ask(method, resolveAll(params as object) as Params<Queries, K>, call);
      try {
        return await ask();
      } catch (error) {
        if (!isChanged(error)) throw error;
        // The file may have got its new bytes from our own save a moment before the document knew.
        await options.saved();
        try {
          return await ask();
        } catch (second) {
          if (isChanged(second)) options.onChanged();
          throw second;
        }
      }
    };
  return {
    ...host,
    summary: forward("summary"),
    validate: forward("validate"),
    tensors: forward("tensors"),
    tensorTree: forward("tensorTree"),
    tensorStats: forward("tensorStats"),
    nodes: forward("nodes"),
    node: forward("node"),
    plan: forward("plan"),
    dataPreview: forward("dataPreview"),
    diffStructure: forward("diffStructure"),
    graph: forward("graph"),
    graphNames: forward("graphNames"),
    measureDiff: (p, task) =>
      host.measureDiff(
        { ...p, before: known.resolve(p.before), after: known.resolve(p.after) },
        task,
      ),
  };
}

const isChanged = (error: unknown): boolean =>
  error instanceof LatheError && error.failure.code === "changed";
