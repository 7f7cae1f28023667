/** Whether calibration samples can stand for what a model meets in use. */
import type { Model } from "../core/model.ts";
import { openData } from "../data/open.ts";
import { calibrationSpan } from "../data/splits.ts";
import { dataErrors } from "../shared/errors.ts";
import { plural } from "../shared/format.ts";
import type { HostTensor } from "../shared/hostTensor.ts";
import { ioOf } from "./modelIo.ts";

/** With fewer, what is measured says more about the samples than about the model. */
const FEW = 16;

/**
 * What should be known of the samples: that they are few, or all the same. Reads two samples, and more
 * only while they hold nothing but one value or repeat each other.
 * @throws DataError when all inputs hold one and the same value in all samples: every range that is
 *   measured on them is a point, and the result is worthless on anything else.
 */
export async function examineSamples(
  model: Model,
  data: string,
  holdOut: boolean,
): Promise<readonly string[]> {
  const bound = await openData(data, ioOf(model), "calibration");
  const count = holdOut ? calibrationSpan(bound.count).to : bound.count;
  const seen = new Set<string | number | bigint>();
  let values = 0;
  let first: Feeds | null = null;
  let isRepeated = true;
  for await (const { feeds } of bound.batches(count, 1)) {
    for (const tensor of feeds.values()) values += note(tensor, seen);
    isRepeated &&= first === null || areSame(first, feeds);
    if (!isRepeated && seen.size > 1) break;
    first ??= new Map(feeds);
  }
  if (seen.size === 1 && values > 1)
    throw dataErrors.bad(
      bound.path,
      bound.path,
      `all calibration samples hold nothing but ${[...seen].join()}`,
      "Give samples as the model meets them in use: ranges are measured on them.",
    );
  const notes: string[] = [];
  if (count < FEW)
    notes.push(
      `Only ${plural(count, "calibration sample")}: what is measured fits ${count === 1 ? "it" : "them"} and may fit little else. A hundred or more are usual.`,
    );
  if (count > 1 && isRepeated) notes.push(`All ${count} calibration samples are the same.`);
  return notes;
}

type Feeds = ReadonlyMap<string, HostTensor>;

/** Notes different values until there are two; gives how many were looked at. */
function note({ data }: HostTensor, seen: Set<string | number | bigint>): number {
  let looked = 0;
  for (const value of data) {
    if (seen.size > 1) break;
    seen.add(value);
    looked++;
  }
  return looked;
}

function areSame(a: Feeds, b: Feeds): boolean {
  for (const [name, { data }] of a) {
    const other = b.get(name)?.data;
    if (other?.length !== data.length) return false;
    for (let i = 0; i < data.length; i++) if (data[i] !== other[i]) return false;
  }
  return true;
}
