/**
 * The engine as the extension and the command line see it: one ask child that lives as long as it is
 * needed, one job child per running job. Children may die; callers get an answer or a failure.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import type { Doc } from "../shared/doc.ts";
import { Cancelled, engineErrors, LatheError } from "../shared/errors.ts";
import type { FileHash } from "../shared/fileHash.ts";
import type { Answer, EngineApi, Jobs, Params, Queries } from "../shared/protocol.ts";
import type { Signal } from "../shared/task.ts";
import { connect, type CallOptions, type Client } from "../shared/wire.ts";
import { forkChild, type Child } from "./child.ts";
import { expectHash, type ExpectedHash } from "./expectedSave.ts";

export interface ClientOptions {
  /** The engine's bundle. */
  readonly enginePath: string;
  readonly scratchDir: string;
  readonly scratchLimitBytes?: number;
  /** For the sums and values of one pass over calibration data; the engine's default when absent. */
  readonly memoryBudgetBytes?: number;
  /** Null: as many as there are cores. */
  readonly threads: number | null;
  /** Lathe's version: both sides must be of the same build. */
  readonly version: string;
  /** False in an untrusted workspace: then nothing is run or written. */
  readonly allowJobs: () => boolean;
}

export interface EngineClient {
  ask<K extends keyof Queries & string>(
    method: K,
    params: Params<Queries, K>,
    options?: CallOptions,
  ): Promise<Answer<Queries, K>>;
  open(path: string): Promise<Doc>;
  /**
   * Starts the child of a save that will come, which begins to read the file at once and answers
   * questions until then: one process instead of two.
   */
  expectSave(path: string): void;
  job<K extends keyof Jobs & string>(
    method: K,
    params: Params<Jobs, K>,
    options?: CallOptions,
  ): Promise<Answer<Jobs, K>>;
  /** Ends all children; the next call starts new ones. */
  restart(): Promise<void>;
  /** Removes every computed result, then restarts. */
  clearCache(): Promise<void>;
  /** The document that read this kept base is closed. */
  release(keptBase: string): Promise<void>;
  dispose(): void;
  onStderr(listener: (text: string) => void): void;
  /** Process ids of the living children, for tests and for "Restart engine". */
  readonly children: readonly number[];
}

/** The caller is free this long after cancelling, whatever the child does. */
const CANCEL_GRACE_MS = 800;
const DEFAULT_SCRATCH_BYTES = 20e9;

interface Connection {
  readonly child: Child;
  readonly client: Client<EngineApi>;
}

/** A child that waits for a save, and the hash of the file it will be asked to save a change of. */
interface Saver {
  readonly file: string;
  readonly connection: Connection;
  readonly hash: ExpectedHash;
}

export function createClient(options: ClientOptions): EngineClient {
  const stderrListeners: ((text: string) => void)[] = [];
  const living = new Set<Child>();
  let askConnection: Promise<Connection> | null = null;
  let lastJob: Promise<unknown> = Promise.resolve();
  let generation = 0;
  /** Started by `expectSave`, and not saving yet. */
  let saver: Saver | null = null;

  function begin(role: "ask" | "job", sweeps = role === "ask"): Connection {
    const child = forkChild({
      enginePath: options.enginePath,
      config: {
        role,
        sweeps,
        scratchDir: options.scratchDir,
        scratchLimitBytes: options.scratchLimitBytes ?? DEFAULT_SCRATCH_BYTES,
        memoryBudgetBytes: options.memoryBudgetBytes ?? null,
        threads: options.threads ?? cpus().length,
        version: options.version,
      },
      onStderr: (text) => stderrListeners.forEach((listener) => listener(text)),
    });
    living.add(child);
    child.port.onClose(() => living.delete(child));
    return { child, client: connect<EngineApi>(child.port) };
  }

  async function greet({ child, client }: Connection): Promise<void> {
    const { version } = await client.call("hello", { version: options.version });
    if (version === options.version) return;
    child.kill();
    throw engineErrors.childGone("start", `version ${version} instead of ${options.version}`);
  }

  async function startAsking(connection: Connection): Promise<Connection> {
    await greet(connection);
    return connection;
  }

  function asking(connection?: Connection): Promise<Connection> {
    if (!askConnection) {
      const starting = startAsking(connection ?? begin("ask"));
      askConnection = starting;
      const forget = (): void => {
        if (askConnection === starting) askConnection = null;
      };
      starting.then(({ child }) => child.port.onClose(forget), forget);
    }
    return askConnection;
  }

  function expectSave(file: string): void {
    if (askConnection || !options.allowJobs()) return;
    const absolute = path.resolve(file);
    const connection = begin("job", true);
    const hash = expectHash(absolute);
    saver = { file: absolute, connection, hash };
    connection.child.port.onClose(() => {
      hash.stop();
      if (saver?.connection === connection) saver = null;
    });
    asking(connection).catch(() => {});
  }

  /** The child that was started for saving this file; from now on it answers no questions. */
  function takeSaver(file: string): Saver | null {
    const taken = saver?.file === file ? saver : null;
    if (taken) saver = askConnection = null;
    return taken;
  }

  /** Questions change nothing, so one lost to the child's death is asked once more. */
  async function askChild<K extends keyof EngineApi & string>(
    method: K,
    params: Params<EngineApi, K>,
    call: CallOptions,
  ): Promise<Answer<EngineApi, K>> {
    const started = generation;
    try {
      return await (await asking()).client.call(method, params, call);
    } catch (error) {
      if (!isGone(error) || call.signal?.aborted === true || started !== generation) throw error;
      return await (await asking()).client.call(method, params, call);
    }
  }

  async function ask<K extends keyof Queries & string>(
    method: K,
    params: Params<Queries, K>,
    call: CallOptions = {},
  ): Promise<Answer<Queries, K>> {
    // Each round computes one document's missing entries: a diff has two.
    for (let round = 0; ; round++) {
      try {
        return await askChild(method, params as never, call);
      } catch (error) {
        if (round === 2 || !(error instanceof LatheError) || error.failure.code !== "needs-job")
          throw error;
        for (const doc of docsOf(params as object)) await computeMissing(doc, call);
      }
    }
  }

  async function computeMissing(doc: Doc, call: CallOptions): Promise<void> {
    const entry = doc.recipe.at(-1);
    if (!entry) return;
    const before = { ...doc, recipe: doc.recipe.slice(0, -1) };
    await job("apply", { doc: before, entry, verify: false }, call);
  }

  function job<K extends keyof Jobs & string>(
    method: K,
    params: Params<Jobs, K>,
    call: CallOptions = {},
  ): Promise<Answer<Jobs, K>> {
    if (!options.allowJobs()) return Promise.reject(engineErrors.untrusted());
    const run = lastJob.then(() => runJob(method, params, call));
    lastJob = run.catch(() => {});
    return withSignal(run, call.signal);
  }

  async function runJob<K extends keyof Jobs & string>(
    method: K,
    params: Params<Jobs, K>,
    call: CallOptions,
  ): Promise<Answer<Jobs, K>> {
    if (call.signal?.aborted === true) throw new Cancelled();
    const target = params as object;
    const expected = isSave(target) ? takeSaver(target.doc.base.path) : null;
    const connection = expected?.connection ?? begin("job");
    const { child, client } = connection;
    if (isSave(target)) child.port.onClose(() => removeStaging(path.dirname(target.to), child.pid));
    let deadline: NodeJS.Timeout | null = null;
    const endLater = (): void => {
      deadline = setTimeout(() => child.kill(), CANCEL_GRACE_MS);
    };
    call.signal?.addEventListener("abort", endLater);
    try {
      // A child may hang before its first answer too; cancelling ends it all the same.
      await greet(connection);
      if (expected) sendHash(expected);
      return await client.call(method, params, call);
    } catch (error) {
      throw isAborted(call.signal) ? new Cancelled() : error;
    } finally {
      call.signal?.removeEventListener("abort", endLater);
      if (deadline) clearTimeout(deadline);
      child.kill();
    }
  }

  const endAll = (): void => {
    generation++;
    askConnection = null;
    saver = null;
    for (const child of living) child.kill();
    living.clear();
  };

  return {
    ask,
    job,
    expectSave,
    async open(path) {
      return (await askChild("open", { path }, {})).doc;
    },
    async restart() {
      endAll();
    },
    async release(keptBase) {
      await askChild("release", { keptBase }, {});
    },
    async clearCache() {
      await askChild("clearCache", {}, {});
      endAll();
    },
    dispose: endAll,
    onStderr: (listener) => void stderrListeners.push(listener),
    get children() {
      return [...living].map((child) => child.pid);
    },
  };
}

/**
 * Removes what a child that was ended in the middle of a save left beside its target. The folder's
 * name is engine/saveLitter.ts's.
 */
function removeStaging(folder: string, pid: number): void {
  if (!existsSync(folder)) return;
  const left = new RegExp(`^\\.lathe-[0-9a-z]+-${pid}-[0-9a-f]{12}$`);
  for (const name of readdirSync(folder))
    // With a journal files may have been moved already: the engine knows what that means.
    if (left.test(name) && !existsSync(path.join(folder, name, "journal.json")))
      rmSync(path.join(folder, name), { recursive: true, force: true });
}
const isSave = (params: object): params is Params<Jobs, "save"> =>
  "to" in params && typeof params.to === "string" && "doc" in params;

const isAborted = (signal: Signal | undefined): boolean => signal?.aborted === true;
const isGone = (error: unknown): boolean =>
  error instanceof LatheError && error.failure.code === "gone";

/** Announces the hash before the save is asked for, and sends it when it is known. */
function sendHash({ connection: { client }, hash }: Saver): void {
  // A child that is gone fails the save itself.
  const send = (known: FileHash | "coming" | null): void =>
    void client.call("sourceHash", { hash: known }).catch(() => {});
  send("coming");
  void hash.hash.then(send);
}

function docsOf(params: object): Doc[] {
  return Object.values(params).filter(
    (value: unknown): value is Doc =>
      typeof value === "object" && value !== null && "recipe" in value && "base" in value,
  );
}

/** Rejects within the grace time of a cancellation even if `work` does not. */
async function withSignal<T>(work: Promise<T>, signal: Signal | undefined): Promise<T> {
  if (!signal) return work;
  let abort: (() => void) | null = null;
  const cancelled = new Promise<never>((_, reject) => {
    abort = () => setTimeout(() => reject(new Cancelled()), CANCEL_GRACE_MS);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    if (abort) signal.removeEventListener("abort", abort);
    work.catch(() => {});
  }
}
