/** How errors grow along the graph: each layer's output in the changed model against the original's. */
import { mainGraph, nodeKey, nodeLabel, type Model } from "../../core/model.ts";
import { toNumbers } from "../../shared/hostTensor.ts";
import type { Task } from "../../shared/task.ts";
import { capture, CAPTURE_BUDGET_BYTES, type CaptureOptions } from "../capture.ts";
import type { EngineEnv } from "../env.ts";
import { decibels } from "../metrics/error.ts";

/** Enough to see where errors grow; every value of every sample is kept for a while. */
const SAMPLES = 4;
/** Of kept values; what goes beyond is left out. */
const KEEP_BYTES = 2 ** 27;

export interface CascadeScene {
  readonly env: EngineEnv;
  readonly before: Model;
  readonly after: Model;
  readonly data: string;
  readonly split: CaptureOptions["split"];
  readonly threads: number;
}

/** SQNR in dB by node label, for nodes whose first output both models have under one name. */
export async function cascade(
  scene: CascadeScene,
  labels: readonly string[],
  task: Task,
): Promise<ReadonlyMap<string, number>> {
  const { env, before, after, data, split, threads } = scene;
  const wanted = new Set(labels);
  const there = new Set(mainGraph(after).nodes.flatMap((node) => node.outputs));
  const values = new Map<string, string>();
  for (const node of mainGraph(before).nodes) {
    const label = nodeLabel([], node);
    if (wanted.has(label) && there.has(nodeKey(node))) values.set(nodeKey(node), label);
  }
  const kept = new Map<string, Float32Array[]>();
  const sums = new Map<string, { signal: number; noise: number }>();
  let bytes = 0;
  await env.withScratchFolder(async (folder) => {
    const options: CaptureOptions = {
      data,
      split,
      limit: SAMPLES,
      threads,
      budgetBytes: CAPTURE_BUDGET_BYTES,
      folder,
    };
    await capture(
      before,
      [...values.keys()],
      options,
      (name, tensor) => {
        if (bytes > KEEP_BYTES) return;
        const numbers = Float32Array.from(toNumbers(tensor));
        bytes += numbers.byteLength;
        kept.set(name, [...(kept.get(name) ?? []), numbers]);
      },
      task,
    );
    await capture(
      after,
      [...kept.keys()],
      options,
      (name, tensor) => {
        const was = kept.get(name)?.shift();
        const is = toNumbers(tensor);
        if (was?.length !== is.length) return;
        const sum = sums.get(name) ?? { signal: 0, noise: 0 };
        sums.set(name, sum);
        for (let i = 0; i < is.length; i++) {
          const x = was[i] ?? 0;
          sum.signal += x * x;
          sum.noise += (x - (is[i] ?? 0)) ** 2;
        }
      },
      task,
    );
  });
  const out = new Map<string, number>();
  for (const [name, { signal, noise }] of sums) {
    const label = values.get(name);
    if (label !== undefined && Number.isFinite(noise)) out.set(label, decibels(signal, noise));
  }
  return out;
}
