/** What each way of storing each layer does to the outputs, measured one layer at a time. */
import type { Drift } from "../../core/analyzer.ts";
import type { Entry } from "../../shared/doc.ts";
import { LatheError } from "../../shared/errors.ts";
import type { Skip } from "../../shared/report.ts";
import type { Task } from "../../shared/task.ts";
import { breathe } from "../saveWrite.ts";
import type { Layer, Option } from "./menu.ts";

/** Layers measured by themselves for each way; the smallest of more are measured together. */
const MAX_ALONE = 48;

export interface Damages {
  /** Of each layer's options, in their order; infinite where the way does not work there. */
  readonly of: readonly (readonly number[])[];
  readonly skipped: readonly Skip[];
}

/** Larger is worse: KL in nats, or noise over signal where outputs are no distributions. */
export const damageOf = ({ kl, sqnrDb }: Pick<Drift, "kl" | "sqnrDb">): number =>
  kl ?? 10 ** (-sqnrDb / 10);

/** @param measure the divergence of the model with one entry applied */
export async function measureDamages(
  layers: readonly Layer[],
  measure: (entry: Entry) => Promise<Drift>,
  task: Task,
): Promise<Damages> {
  const out = layers.map(({ options }) => options.map(() => Infinity));
  const skipped: Skip[] = [];
  const ways = new Set(layers.flatMap(({ options }) => options.map(({ way }) => way)));
  const jobs = [...ways].flatMap((way) => {
    const own = layers.flatMap((layer, index) => {
      const option = layer.options.findIndex((one) => one.way === way);
      return option < 0 ? [] : [{ index, option, bytes: layer.bytes }];
    });
    own.sort((a, b) => b.bytes - a.bytes);
    const alone = own.length > MAX_ALONE ? own.slice(0, MAX_ALONE - 1) : own;
    const rest = own.slice(alone.length);
    return [...alone.map((one) => [one]), ...(rest.length > 0 ? [rest] : [])].map((parts) => ({
      way,
      parts,
    }));
  });
  for (const [done, { way, parts }] of jobs.entries()) {
    await breathe(task);
    const optionAt = ({ index, option }: (typeof parts)[number]): Option | undefined =>
      layers[index]?.options[option];
    const names = parts.flatMap((one) => optionAt(one)?.unit ?? []);
    const name =
      parts.length === 1
        ? (layers[parts[0]?.index ?? 0]?.name ?? "")
        : `${parts.length} small layers`;
    task.progress(done / jobs.length, `${way.label}: ${name}`);
    try {
      const damage = damageOf(await measure({ ...way.entry, scope: names }));
      if (!Number.isFinite(damage)) throw new NotFinite();
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      for (const { index, option, bytes: own } of parts) {
        const row = out[index];
        if (row) row[option] = parts.length === 1 ? damage : (damage * own) / Math.max(1, bytes);
      }
    } catch (error) {
      const reason =
        error instanceof NotFinite
          ? "the outputs become NaN, infinite or of another size"
          : error instanceof LatheError &&
              (error.failure.code === "engine" || error.failure.code === "result")
            ? error.failure.message
            : null;
      if (reason === null) throw error;
      skipped.push({ name: `${way.label}: ${name}`, reason });
    }
  }
  return { of: out, skipped };
}

class NotFinite extends Error {}
