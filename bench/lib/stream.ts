/** Streaming models: one frame after the other, the state that comes out of a run goes into the next. */
import { createSession } from "../../src/engine/ort.ts";
import { toNumbers } from "../../src/shared/hostTensor.ts";
import type { Feeds } from "./latency.ts";
import type { HostTensor } from "../../src/shared/hostTensor.ts";

export interface Stream {
  readonly frames: readonly HostTensor[];
  readonly input: string;
  readonly output: string;
  /** The state before the first frame, and what gives the next. */
  readonly state: { readonly input: string; readonly output: string; readonly first: HostTensor };
  readonly constant: ReadonlyMap<string, HostTensor>;
}

/** Of the first run. */
export const firstFeeds = ({ constant, frames, input, state }: Stream): Feeds =>
  new Map([
    ...constant,
    ...(frames[0] ? [[input, frames[0]] as const] : []),
    [state.input, state.first],
  ]);

/** What the model gives for each frame, on one thread of our engine's runtime. */
export async function runStream(
  model: string,
  stream: Stream,
): Promise<readonly (Float32Array | Float64Array)[]> {
  const session = await createSession(model, { threads: 1, optimization: "all" });
  const { state, input, output } = stream;
  const results: (Float32Array | Float64Array)[] = [];
  let held = state.first;
  for (const frame of stream.frames) {
    const feeds = new Map([...stream.constant, [input, frame], [state.input, held]]);
    const out = await session.run(feeds, [output, state.output]);
    const result = out.get(output);
    const next = out.get(state.output);
    if (!result || !next) throw new Error(`${model} does not give ${output} and ${state.output}`);
    results.push(toNumbers(result));
    held = next;
  }
  await session.release();
  return results;
}

/** Signal to error ratio in dB over the frames [from, to); Infinity where nothing differs. */
export function sqnrDb(
  reference: readonly ArrayLike<number>[],
  other: readonly ArrayLike<number>[],
  from = 0,
  to = reference.length,
): number {
  let signal = 0;
  let error = 0;
  for (let frame = from; frame < to; frame++) {
    const a = reference[frame] ?? [];
    const b = other[frame] ?? [];
    for (let i = 0; i < a.length; i++) {
      signal += (a[i] ?? 0) ** 2;
      error += ((a[i] ?? 0) - (b[i] ?? NaN)) ** 2;
    }
  }
  return error === 0 ? Infinity : 10 * Math.log10(signal / error);
}
