/** Time of one model over another's on the same inputs, in our engine's runtime. */
import { openData } from "../../src/data/open.ts";
import { createSession } from "../../src/engine/ort.ts";
import type { HostTensor } from "../../src/shared/hostTensor.ts";
import { median } from "./summary.ts";

export type Feeds = ReadonlyMap<string, HostTensor>;

export interface Latency {
  /** CPU time over the original's: median over pairs of runs, with its 95 % interval. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Samples per run where the model leaves it open: one small image takes less time than a call. */
const ROWS = 16;
const WARM_UP = 5;
/** Enough pairs for an interval of a few percent, also for models of a tenth of a millisecond. */
const PAIRS = 100;

/** The first samples of a data set, as the model takes them. @throws DataError when they do not fit. */
export async function firstFeeds(model: string, data: string): Promise<Feeds> {
  const session = await createSession(model, { threads: 1, optimization: "disabled" });
  const bound = await openData(data, session);
  await session.release();
  for await (const { feeds } of bound.batches(ROWS, ROWS)) return feeds;
  throw new Error(`${data} has no samples`);
}

/**
 * Both run in turn on one thread; CPU time of the process is taken, which other programs on the machine
 * disturb little. @throws EngineError when a model does not load.
 */
export async function latencyOf(before: string, after: string, feeds: Feeds): Promise<Latency> {
  const options = { threads: 1, optimization: "all" } as const;
  const first = await createSession(before, options);
  const second = await createSession(after, options);
  const cpuOf = async (session: typeof first): Promise<number> => {
    const start = process.cpuUsage();
    await session.run(feeds);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const ratios: number[] = [];
  for (let pair = -WARM_UP; pair < PAIRS; pair++) {
    const [one, other] = [await cpuOf(first), await cpuOf(second)];
    if (pair >= 0) ratios.push(other / one);
  }
  await first.release();
  await second.release();
  // Order statistics around the median that enclose it in 95 of 100 cases.
  ratios.sort((a, b) => a - b);
  const reach = Math.ceil(0.98 * Math.sqrt(PAIRS));
  const at = (index: number): number => ratios[index] ?? NaN;
  return {
    ratio: median(ratios),
    low: at(PAIRS / 2 - reach),
    high: at(PAIRS / 2 + reach - 1),
  };
}

export const showLatency = ({ ratio, low, high }: Latency): string =>
  `${ratio.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
/** Heading of the column that `showLatency` fills. */
export const LATENCY_HEAD = "CPU time per run";
