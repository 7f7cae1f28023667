/** What techniques and analyzers work with: reading tensors, statistics, kernels and the runtime. */
import type { Model, Tensor } from "../core/model.ts";
import { Cancelled, engineErrors } from "../shared/errors.ts";
import type { Kernels } from "../shared/kernels.ts";
import type { Task } from "../shared/task.ts";
import { examineSamples } from "./calibrationSamples.ts";
import type { OpenWorkplace } from "./compute.ts";
import type { Computing } from "./environment.ts";
import type { StatisticsStore } from "./statistics/store.ts";

export interface WorkplaceScene {
  /** Id of the technique or analyzer, for error texts. */
  readonly who: string;
  readonly seed: number;
  /** As in `Entry`. */
  readonly holdOut: boolean;
  /** The document's file before its recipe, and the state that is worked on. */
  readonly base: Model;
  readonly model: Model;
  /** Identity of those two states. */
  readonly keys: { readonly base: string; readonly before: string };
  readonly data: string | null;
  readonly computing: Computing;
}

export interface WorkplaceTools {
  readonly kernels: Kernels;
  readonly pieceValues: number;
  readonly readF32: (
    tensor: Tensor,
    from?: number,
    to?: number,
    buffer?: Float32Array,
  ) => Float32Array;
  readonly readBytes: (tensor: Tensor, offset: number, length: number) => Uint8Array;
  readonly store: StatisticsStore;
  readonly withScratchFolder: <T>(use: (folder: string) => Promise<T>) => Promise<T>;
}

export const openWorkplaces =
  (scene: WorkplaceScene, tools: WorkplaceTools, task: Task): OpenWorkplace =>
  ({ progress, current }) => {
    const { who, seed, holdOut, base, model, keys, data, computing } = scene;
    const statistics = computing.openStatistics({
      who,
      data,
      seed,
      holdOut,
      models: { base: () => base, before: () => model, current },
      keys: { ...keys, current: null },
      store: tools.store,
      withScratchFolder: tools.withScratchFolder,
    });
    let examined: Promise<readonly string[]> | null = null;
    let notes: readonly string[] = [];
    /** Once, when the first statistic is wanted. */
    const examine = async (): Promise<void> => {
      if (data === null) return;
      notes = await (examined ??= examineSamples(base, data, holdOut));
    };
    return {
      notes: () => notes,
      async collect(needs, share) {
        if (needs.length > 0) await examine();
        return statistics.collect(needs, share);
      },
      context: {
        signal: task.signal,
        async checkpoint() {
          // A turn of the event loop, so that a cancel message can arrive.
          await new Promise((resolve) => setImmediate(resolve));
          if (task.signal.aborted) throw new Cancelled();
        },
        progress,
        seed,
        base,
        data,
        async stat(need) {
          await examine();
          return statistics.stat(need, task);
        },
        probe: async (roundings, sets) => {
          if (data === null) throw engineErrors.needsData(who);
          await examine();
          return tools.withScratchFolder((folder) =>
            computing.probe({ model, data, folder }, roundings, sets, {
              signal: task.signal,
              progress: (fraction) => progress(fraction),
            }),
          );
        },
        kernels: tools.kernels,
        pieceValues: tools.pieceValues,
        blas: computing.blas,
        readF32: (tensor) => Promise.resolve(tools.readF32(tensor)),
        readRowsF32: (tensor, from, to, buffer) =>
          Promise.resolve(tools.readF32(tensor, from, to, buffer)),
        readBytes: (tensor, offset, length) =>
          Promise.resolve(tools.readBytes(tensor, offset, length)),
        evaluateConstant: computing.evaluateConstant,
      },
    };
  };
