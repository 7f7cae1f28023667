/** Time of every operator, from the runtime's own trace of a few inferences. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { OperatorTime } from "../core/analyzer.ts";
import { graphKey, nodeLabel, type Graph, type Model } from "../core/model.ts";
import { openData } from "../data/open.ts";
import { engineErrors } from "../shared/errors.ts";
import type { HostTensor } from "../shared/hostTensor.ts";
import type { Task } from "../shared/task.ts";
import { createSession, type Session } from "./ort.ts";
import { stageModel } from "./save.ts";
import { breathe } from "./saveWrite.ts";
import { runnableSizes, syntheticFeeds } from "./synthetic.ts";

export interface ProfileOptions {
  /** Null for seeded synthetic inputs; else its first sample. */
  readonly data: string | null;
  readonly runs: number;
  /** 0 is all cores. */
  readonly threads: number;
  /** An empty folder for a temporary model and the trace. */
  readonly folder: string;
}

/** Inferences before the measured ones: the first allocates, the second settles. */
const WARM_UP_RUNS = 3;

/** An event of the trace; times in microseconds. */
interface TraceEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: { readonly op_name?: string };
}

/**
 * Mean time of every operator over `runs` inferences, slowest first, as the model is deployed (all
 * optimizations). Operators that the runtime made out of several keep a part's name.
 * @throws DataError, EngineError when the model does not run; Cancelled.
 */
export async function profile(
  model: Model,
  options: ProfileOptions,
  task: Task,
): Promise<readonly OperatorTime[]> {
  const { tagged, labels } = tag(model);
  const file = path.join(options.folder, "profiled.onnx");
  const staged = await stageModel(
    tagged,
    file,
    { externalData: "auto", overwrite: true, allowInput: false },
    task,
  );
  await staged.commit();
  const session = await createSession(file, {
    threads: options.threads,
    optimization: "all",
    profile: path.join(options.folder, "trace"),
  });
  try {
    const feeds = await feedsFor(session, options.data);
    for (let run = 0; run < WARM_UP_RUNS + options.runs; run++) {
      await breathe(task);
      await session.run(feeds);
      task.progress((run + 1) / (WARM_UP_RUNS + options.runs), "timing operators");
    }
  } finally {
    await session.release();
  }
  return times(readTrace(options.folder), options.runs, labels);
}

const TAG = /lathe#(\d+)#/;

/** Nodes under names of our own, since a model's may be empty or repeated; fusions keep them. */
function tag(model: Model): { readonly tagged: Model; readonly labels: readonly string[] } {
  const labels: string[] = [];
  const graphs = new Map<string, Graph>();
  for (const graph of model.graphs.values()) {
    const nodes = graph.nodes.map((node) => {
      labels.push(nodeLabel(graph.path, node));
      return { ...node, name: `lathe#${labels.length - 1}#` };
    });
    graphs.set(graphKey(graph.path), { ...graph, nodes });
  }
  return { tagged: { ...model, graphs }, labels };
}

async function feedsFor(
  session: Session,
  data: string | null,
): Promise<ReadonlyMap<string, HostTensor>> {
  if (data !== null) {
    const bound = await openData(data, session);
    for await (const batch of bound.batches(1, 1)) return batch.feeds;
  }
  return syntheticFeeds(session.inputs, 0, await runnableSizes(session, 0));
}

function readTrace(folder: string): readonly TraceEvent[] {
  const name = readdirSync(folder).find((file) => /^trace.*\.json$/.test(file));
  if (name === undefined) throw engineErrors.noTrace();
  return JSON.parse(readFileSync(path.join(folder, name), "utf8")) as TraceEvent[];
}

function times(
  events: readonly TraceEvent[],
  runs: number,
  labels: readonly string[],
): readonly OperatorTime[] {
  const starts = events
    .filter(({ cat, name }) => cat === "Session" && name === "model_run")
    .map(({ ts = 0 }) => ts)
    .sort((a, b) => a - b);
  const from = starts.at(-runs) ?? 0;
  const sums = new Map<string, { node: string; op: string; us: number }>();
  for (const { cat, name = "", ts = 0, dur = 0, args } of events) {
    if (cat !== "Node" || !name.endsWith("_kernel_time") || ts < from) continue;
    const known = TAG.exec(name)?.[1];
    const node =
      (known === undefined ? undefined : labels[Number(known)]) ??
      name.slice(0, -"_kernel_time".length);
    const op = args?.op_name ?? "";
    const key = `${name}\n${op}`;
    const sum = sums.get(key) ?? { node, op, us: 0 };
    sums.set(key, sum);
    sum.us += dur;
  }
  return [...sums.values()]
    .map(({ node, op, us }) => ({ node, op, timeMs: us / 1000 / runs }))
    .sort((a, b) => b.timeMs - a.timeMs);
}
