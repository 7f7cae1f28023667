/** Builds what the handlers work with: models opened once, recipes replayed from the cache or computed. */
import { mkdirSync, renameSync, rmSync, existsSync } from "node:fs";
import path from "node:path";
import type { Change } from "../core/change.ts";
import type { WorkContext } from "../core/context.ts";
import { applySteps, Draft } from "../core/draft.ts";
import type { Model, Tensor } from "../core/model.ts";
import type { Doc, Entry } from "../shared/doc.ts";
import { byteLength, elementCount } from "../shared/dtype.ts";
import { engineErrors, formatErrors } from "../shared/errors.ts";
import type { Blas, Kernels } from "../shared/kernels.ts";
import { UNHEARD, type Task } from "../shared/task.ts";
import { openBases } from "./baseFile.ts";
import { entryKey, loadChange, writeChange } from "./changeCache.ts";
import { computeChange, findTransform, type OpenWorkplace, type Workplace } from "./compute.ts";
import { dataIdentity } from "./dataIdentity.ts";
import type { Statistics, StatisticsScene } from "./statistics/statistics.ts";
import type { EngineEnv, Materialized } from "./env.ts";
import { readRange, readRangeInto } from "./files.ts";
import type { ProbeScene } from "./probe.ts";
import { Recent } from "./recent.ts";
import { stageModel } from "./save.ts";
import { scratchFolder, touch, type Scratch } from "./scratch.ts";
import { openStore } from "./statistics/store.ts";
import { openWorkplaces, type WorkplaceScene, type WorkplaceTools } from "./workplace.ts";

/** What only the job child has: the functions that need onnxruntime. */
export interface Computing {
  readonly evaluateConstant: WorkContext["evaluateConstant"];
  readonly blas: Blas;
  readonly openStatistics: (scene: StatisticsScene) => Statistics;
  readonly probe: (
    scene: Omit<ProbeScene, "threads">,
    ...what: readonly [...Parameters<WorkContext["probe"]>, Task]
  ) => ReturnType<WorkContext["probe"]>;
}

export interface EnvironmentOptions {
  readonly scratch: Scratch;
  readonly kernels: Kernels;
  /** Identity of the code that computes: what another build stored is never answered. */
  readonly build: string;
  /** Null in the ask child: it replays from the cache only. */
  readonly computing: Computing | null;
  /** As in `WorkContext`; tests lower it, so that small tensors are in many pieces. */
  readonly pieceValues?: number;
}

/** 4 MB of float32. */
const PIECE_VALUES = 1024 * 1024;

/** States of documents kept; they are structure only, so a few are cheap. */
const STATES_KEPT = 8;

export function createEnvironment(options: EnvironmentOptions): EngineEnv {
  const { scratch, kernels, pieceValues = PIECE_VALUES } = options;
  const bases = openBases();
  const states = new Recent<{ model: Model; changes: readonly Change[] }>(STATES_KEPT);

  const readBytes = (tensor: Tensor, offset: number, length: number): Uint8Array =>
    tensor.at instanceof Uint8Array
      ? tensor.at.subarray(offset, offset + length)
      : readRange(tensor.at, offset, length);

  const openFile = (file: string): Doc => ({ base: bases.read(file), recipe: [] });

  async function open(doc: Doc, task: Task = UNHEARD): Promise<Materialized> {
    const { model: base, key: baseOwn } = bases.open(doc.base);
    const check = (): void => bases.check(doc.base, baseOwn);
    let key = baseOwn;
    let state: { model: Model; changes: readonly Change[] } = { model: base, changes: [] };
    for (const [i, entry] of doc.recipe.entries()) {
      const { meta } = findTransform(entry.transform);
      const version = `${meta.version}/${options.build}`;
      const data = meta.data === "none" ? undefined : doc.data;
      const keys = { base: baseOwn, before: key };
      key = entryKey(key, entry, version, data === undefined ? null : dataIdentity(data));
      const id = `${doc.base.path}\n${key}`;
      const share: Task = {
        signal: task.signal,
        progress: (fraction, message) => task.progress((i + fraction) / doc.recipe.length, message),
      };
      state =
        states.get(id) ??
        states.set(
          id,
          await step({ ...state, base, keys, data: data ?? null, check }, entry, key, share),
        );
    }
    return { ...state, base, baseKey: baseOwn, key, check };
  }

  async function step(
    before: {
      readonly model: Model;
      readonly changes: readonly Change[];
      readonly base: Model;
      readonly keys: WorkplaceScene["keys"];
      readonly data: string | null;
      readonly check: () => void;
    },
    entry: Entry,
    key: string,
    task: Task,
  ): Promise<{ model: Model; changes: readonly Change[] }> {
    const known = loadChange(scratch, key, new Date());
    if (known) {
      const model = applySteps(
        before.model,
        known.units.flatMap((unit) => unit.steps),
      );
      return { model, changes: [...before.changes, known] };
    }
    if (!options.computing) throw engineErrors.needsJob(entry.transform);
    const writer = writeChange(scratch, key);
    try {
      const { change, model } = await computeChange(
        before.model,
        entry,
        writer.sink,
        workplace(entry, { ...before, computing: options.computing }, task),
        task,
      );
      before.check();
      writer.commit(change);
      return { model, changes: [...before.changes, change] };
    } catch (error) {
      writer.discard();
      throw error;
    }
  }

  const workplace = (
    entry: Entry,
    scene: {
      readonly base: Model;
      readonly model: Model;
      readonly keys: WorkplaceScene["keys"];
      readonly data: string | null;
      readonly computing: Computing;
      readonly check: () => void;
    },
    task: Task,
  ): OpenWorkplace => {
    const { seed = 0, holdOut = false } = entry;
    const own = { ...scene, who: entry.transform, seed, holdOut };
    return openWorkplaces(own, toolsFor(scene.check), task);
  };

  function analysisPlace(
    { base, model, baseKey: own, key, check }: Materialized,
    who: string,
    data: string | null,
    task: Task,
  ): Workplace {
    if (!options.computing) throw engineErrors.needsJob(who);
    const keys = { base: own, before: key };
    const scene = {
      who,
      seed: 0,
      holdOut: false,
      base,
      model,
      keys,
      data,
      computing: options.computing,
    };
    return openWorkplaces(
      scene,
      toolsFor(check),
      task,
    )({
      progress: (fraction) => task.progress(Math.min(1, fraction)),
      current: () => model,
    });
  }

  function readF32(
    tensor: Tensor,
    from?: number,
    to?: number,
    buffer?: Float32Array,
  ): Float32Array {
    const count = elementCount(tensor.shape);
    const rows = tensor.shape[0] ?? 1;
    const perRow = rows === 0 ? 0 : count / rows;
    const first = (from ?? 0) * perRow;
    const last = to === undefined ? count : to * perRow;
    const bitOffset = first * tensor.dtype.bits;
    const length = byteLength(tensor.dtype, last - first);
    if (length === null || tensor.dtype.kind === "complex")
      throw formatErrors.unreadableDtype("the model", tensor.name, tensor.dtype.name);
    if (tensor.dtype.name === "float32" && !(tensor.at instanceof Uint8Array)) {
      // Read to where it is wanted: copies, and memory that is new for each piece, took 2 of the 5
      // CPU seconds of quantizing a model of 1.5 GB.
      const values =
        buffer && buffer.length >= last - first
          ? buffer.subarray(0, last - first)
          : new Float32Array(last - first);
      readRangeInto(
        tensor.at,
        bitOffset / 8,
        new Uint8Array(values.buffer, values.byteOffset, length),
      );
      return values;
    }
    if (bitOffset % 8 === 0)
      return kernels.toF32(tensor.dtype, readBytes(tensor, bitOffset / 8, length), last - first);
    // A row of 2-, 4- or 6-bit codes that begins inside a byte: read from a whole byte before it.
    const back = [1, 2, 3].find((n) => ((first - n) * tensor.dtype.bits) % 8 === 0) ?? 0;
    const start = first - back;
    const wider = byteLength(tensor.dtype, last - start) ?? 0;
    return kernels
      .toF32(tensor.dtype, readBytes(tensor, (start * tensor.dtype.bits) / 8, wider), last - start)
      .subarray(back);
  }

  async function withScratchFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const folder = scratchFolder(scratch);
    try {
      return await use(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async function fileFor(doc: Doc, task: Task = UNHEARD): Promise<string> {
    if (doc.recipe.length === 0) {
      bases.open(doc.base);
      return doc.base.path;
    }
    const { model, key, check } = await open(doc, task);
    const folder = path.join(scratch.models, key);
    const name = `model.${model.format}`;
    if (!existsSync(path.join(folder, name)))
      await withScratchFolder(async (temporary) => {
        const staged = await stageModel(
          model,
          path.join(temporary, name),
          { externalData: "auto", overwrite: true, allowInput: false },
          task,
        );
        await staged.commit();
        check();
        const finished = `${temporary}.done`;
        mkdirSync(scratch.models, { recursive: true });
        renameSync(temporary, finished);
        try {
          renameSync(finished, folder);
        } catch (error) {
          // Another process put the same model there first.
          rmSync(finished, { recursive: true, force: true });
          if (!existsSync(path.join(folder, name))) throw error;
        }
      });
    touch(folder, new Date());
    return path.join(folder, name);
  }

  const store = openStore(scratch, options.build, () => new Date());
  /** Statistics of a file that was replaced while they were taken are of neither. */
  const toolsFor = (check: () => void): WorkplaceTools => ({
    kernels,
    pieceValues,
    readF32,
    readBytes,
    store: {
      load: (key) => store.load(key),
      save(key, answer) {
        check();
        store.save(key, answer);
      },
    },
    withScratchFolder,
  });
  return { kernels, openFile, open, fileFor, withScratchFolder, readBytes, readF32, analysisPlace };
}

/** The model with extra metadata, as it is written to disk. */
export function withMetadata(model: Model, key: string, value: string): Model {
  const draft = new Draft(model);
  draft.apply({ kind: "setMeta", graph: [], key, value });
  return draft.freeze();
}
