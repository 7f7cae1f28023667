/** Time of every operator, from the runtime's own trace of a few inferences. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { OperatorTime } from "../core/analyzer.ts";
import { graphKey, nodeLabel, type Graph, type GraphNode, type Model } from "../core/model.ts";
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
  const { tagged, nodes } = tag(model);
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
  return times(readTrace(options.folder), options.runs, (name, op) => labelOf(name, op, nodes));
}

interface Tagged {
  readonly labels: readonly string[];
  /** By output: the node that makes it. Names of different graphs may be the same; any will do. */
  readonly makers: ReadonlyMap<string, { readonly node: GraphNode; readonly label: string }>;
}

/** Nodes under names of our own, since a model's may be empty or repeated; fusions keep them. */
function tag(model: Model): { readonly tagged: Model; readonly nodes: Tagged } {
  const labels: string[] = [];
  const makers = new Map<string, { node: GraphNode; label: string }>();
  const graphs = new Map<string, Graph>();
  for (const graph of model.graphs.values()) {
    const nodes = graph.nodes.map((node) => {
      const label = nodeLabel(graph.path, node);
      for (const output of node.outputs) makers.set(output, { node, label });
      return { ...node, name: `lathe#${labels.push(label) - 1}#` };
    });
    graphs.set(graphKey(graph.path), { ...graph, nodes });
  }
  return { tagged: { ...model, graphs }, nodes: { labels, makers } };
}

const TAG = /lathe#(\d+)#/;
/** Operators in the blocked layout are named after the value they make: that of the last node merged in. */
const BLOCKED = "_nchwc";
/** Nodes that the runtime merges behind a convolution: normalization, addition, activation. */
const MERGED = 4;

/** Label of the file's node behind a name in the trace; the name itself where there is none. */
function labelOf(name: string, op: string, { labels, makers }: Tagged): string {
  const known = TAG.exec(name)?.[1];
  if (known !== undefined) return labels[Number(known)] ?? name;
  if (!name.endsWith(BLOCKED)) return name;
  let maker = makers.get(name.slice(0, -BLOCKED.length));
  const last = maker;
  for (let hop = 0; maker && maker.node.op !== op && hop < MERGED; hop++)
    maker = maker.node.inputs.map((input) => makers.get(input)).find((from) => from !== undefined);
  return (maker?.node.op === op ? maker : last)?.label ?? name;
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

const KERNEL = "_kernel_time";

function times(
  events: readonly TraceEvent[],
  runs: number,
  label: (name: string, op: string) => string,
): readonly OperatorTime[] {
  const starts = events
    .filter(({ cat, name }) => cat === "Session" && name === "model_run")
    .map(({ ts = 0 }) => ts)
    .sort((a, b) => a - b);
  const from = starts.at(-runs) ?? 0;
  const sums = new Map<string, { node: string; op: string; us: number }>();
  for (const { cat, name = "", ts = 0, dur = 0, args } of events) {
    if (cat !== "Node" || !name.endsWith(KERNEL) || ts < from) continue;
    const op = args?.op_name ?? "";
    const node = label(name.slice(0, -KERNEL.length), op);
    const key = `${name}\n${op}`;
    const sum = sums.get(key) ?? { node, op, us: 0 };
    sums.set(key, sum);
    sum.us += dur;
  }
  return [...sums.values()]
    .map(({ node, op, us }) => ({ node, op, timeMs: us / 1000 / runs }))
    .sort((a, b) => b.timeMs - a.timeMs);
}
