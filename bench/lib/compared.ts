/** Two files compared by our own engine: quality on evaluation data, bytes, latency. */
import { statSync } from "node:fs";
import { LATENCY_HEAD, firstFeeds, latencyOf, showLatency } from "./latency.ts";
import type { Latency } from "./latency.ts";
import { lathe } from "./lathe.ts";
import { lastJson } from "./process.ts";

export interface Compared {
  readonly bytes: number;
  /** Bytes over the original's. */
  readonly ratio: number;
  readonly metric: string;
  readonly before: number;
  readonly value: number;
  readonly top5: number | null;
  /** Mean over outputs, in nats, against the original; null where outputs are no distributions. */
  readonly kl: number | null;
  /** Share of samples whose best class is the original's. */
  readonly agreement: number | null;
  /** Exact two-sided McNemar test; null where samples are not right or wrong. */
  readonly mcnemarP: number | null;
  /** Of the drop, in `dropUnit`. */
  readonly dropHigh: number;
  readonly sqnrDb: number | null;
  readonly latency: Latency;
}

interface DiffJson {
  readonly outputs: readonly { readonly sqnrDb: number | null }[];
  readonly accuracy: {
    readonly before: { readonly value: number };
    readonly after: {
      readonly metric: string;
      readonly value: number;
      readonly also: Readonly<Record<string, number>>;
    };
    readonly dropHigh: number;
    readonly mcnemar: { readonly p: number } | null;
    readonly kl: number | null;
    readonly agreement: number | null;
  } | null;
  /** Why what is null could not be measured. */
  readonly notes: readonly string[];
}

/** @throws Error with the reason when a file does not load or the data does not fit. */
export async function compareFiles(before: string, after: string, data: string): Promise<Compared> {
  const diff = lastJson(await lathe("diff", before, after, "--data", data, "--json")) as DiffJson;
  const { accuracy } = diff;
  if (accuracy === null)
    throw new Error(diff.notes[0] ?? `${data} has nothing to measure accuracy with`);
  const bytes = statSync(after).size;
  return {
    bytes,
    ratio: bytes / statSync(before).size,
    metric: accuracy.after.metric,
    before: accuracy.before.value,
    value: accuracy.after.value,
    top5: accuracy.after.also["top5"] ?? null,
    kl: accuracy.kl,
    agreement: accuracy.agreement,
    mcnemarP: accuracy.mcnemar?.p ?? null,
    dropHigh: accuracy.dropHigh,
    sqnrDb: diff.outputs[0]?.sqnrDb ?? null,
    latency: await latencyOf(before, after, await firstFeeds(before, data)),
  };
}

/** The result, or why there is none: a peer that fails is a row, not the end. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    return shortReason((error as Error).message);
  }
}

const MOST_CHARS = 160;

/**
 * What went wrong, for a cell of a table: of a file that the runtime refuses the error it names, else
 * the last line of what was said; without the folders of this machine.
 */
export function shortReason(message: string): string {
  const named = message.replaceAll(/(?:\/[^\s/:"'(),]+)+\/([^\s/:"'(),]+)/g, "$1").trim();
  const refused = /onnxruntime does not load .*? Error (.+)/.exec(named)?.[1];
  const reason =
    refused === undefined
      ? (named.split("\n").at(-1) ?? "")
      : `onnxruntime does not load the file: ${refused}`;
  return reason.replaceAll("|", "/").slice(0, MOST_CHARS);
}

const digits = (value: number | null, places: number): string => value?.toFixed(places) ?? "–";
const share = (value: number | null): string =>
  value === null ? "–" : `${(100 * value).toFixed(2)} %`;

export const COMPARED_HEAD = [
  "model",
  "file",
  "bytes",
  "ratio",
  "metric",
  "top-5",
  "KL",
  "agreement",
  "McNemar p",
  LATENCY_HEAD,
] as const;

/** Cells for `COMPARED_HEAD`; a failed contender says why. */
export function comparedRow(model: string, file: string, one: Compared | string): string[] {
  if (typeof one === "string") return [model, file, `**fails**: ${one}`, ..."–––––––"];
  return [
    model,
    file,
    String(one.bytes),
    one.ratio.toFixed(3),
    showMetric(one.metric, one.value),
    share(one.top5),
    digits(one.kl, 4),
    share(one.agreement),
    digits(one.mcnemarP, 3),
    showLatency(one.latency),
  ];
}

export const showMetric = (metric: string, value: number): string =>
  metric === "top1" ? `${share(value)} top-1` : `${value.toFixed(4)} ${metric}`;
