/** Two models side by side: what `lathe diff` prints and what a report holds. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Doc } from "../shared/doc.ts";
import { engineErrors, LatheError } from "../shared/errors.ts";
import {
  dropVerdict,
  formatDrop,
  formatDropInterval,
  formatDuration,
  formatEval,
  formatEvidence,
  formatKl,
  formatMcNemar,
  formatPercent,
  formatRatioInterval,
  metricTitle,
  plural,
} from "../shared/format.ts";
import { htmlReport, type HtmlReport } from "../shared/htmlReport.ts";
import type {
  ApplyResult,
  BenchResult,
  DiffMeasures,
  DiffStructure,
  Jobs,
  PairedQuality,
  Params,
  Summary,
  TensorDiff,
} from "../shared/protocol.ts";
import { partOf, type Context } from "./command.ts";

export interface Comparison {
  readonly before: Summary;
  readonly after: Summary;
  readonly structure: DiffStructure;
  /** With SQNR where values could be compared. */
  readonly tensors: readonly TensorDiff[];
  readonly measures: DiffMeasures;
}

interface Wanted {
  readonly activations?: boolean;
  /** Measured already, on the samples that are set aside for it: not measured once more on others. */
  readonly accuracy?: PairedQuality | null;
  readonly latency?: BenchResult | null;
}

/** @param from share of the whole command's progress that is already done. */
export async function compare(
  before: Doc,
  after: Doc,
  data: string | null,
  context: Context,
  from: number,
  { activations = false, accuracy = null, latency = null }: Wanted = {},
): Promise<Comparison> {
  const { client, signal } = context;
  const structure = await client.ask("diffStructure", { before, after }, { signal });
  const summaries = {
    before: await client.ask("summary", { doc: before }, { signal }),
    after: await client.ask("summary", { doc: after }, { signal }),
  };
  const span = 1 - from;
  const { tensors } = await client.job(
    "diffTensors",
    { before, after },
    partOf(context, from + span * 0.05, from + span * 0.3),
  );
  const measures = await measure(
    { before, after, data, activations, latency: latency === null },
    context,
    from + span * 0.3,
  );
  return {
    ...summaries,
    structure,
    tensors,
    measures: {
      ...measures,
      accuracy: accuracy ?? measures.accuracy,
      latency: latency ?? measures.latency,
    },
  };
}

/** Where there is no runtime the rest of the comparison still stands, and the notes say what is missing. */
async function measure(
  asked: Params<Jobs, "diffMeasures">,
  context: Context,
  from: number,
): Promise<DiffMeasures> {
  try {
    return await context.client.job("diffMeasures", asked, partOf(context, from, 1));
  } catch (error) {
    if (!(error instanceof LatheError) || error.failure.where !== "onnxruntime") throw error;
    return {
      outputs: null,
      accuracy: null,
      activations: null,
      latency: null,
      notes: [error.failure.message],
    };
  }
}

/** The keys of `lathe diff --json`. */
export const comparisonJson = ({ structure, tensors, measures }: Comparison): object => ({
  graph: structure.graph,
  tensors,
  ...measures,
  size: structure.size,
});

/** Accuracy and latency, labelled, as far as they were measured. */
export function measureRows(measures: DiffMeasures): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  if (measures.accuracy !== null) {
    const { before, after } = measures.accuracy;
    const title = metricTitle(before.metric);
    rows.push([title, `${formatEval(before)} → ${formatEval(after)}, ${formatEvidence(after)}`]);
    rows.push(...pairedRows(measures.accuracy));
  }
  if (measures.latency !== null) {
    const { models, ratio, ratioLow, ratioHigh, threads } = measures.latency;
    const times = models.map((model) => formatDuration(model.p50Ms)).join(" → ");
    rows.push([
      "latency",
      `${times}, ratio ${formatRatioInterval(ratio, ratioLow, ratioHigh)}, ${plural(threads, "thread")}`,
    ]);
  }
  return rows;
}

/** How much worse the second model is, sample by sample, and how far its predictions moved. */
function pairedRows(quality: PairedQuality): readonly (readonly [string, string])[] {
  const { drop, dropUnit, mcnemar, kl, agreement } = quality;
  const verdict = dropVerdict(quality) ?? "no difference shown";
  return [
    [
      "drop",
      `${formatDrop(drop, dropUnit)} (${formatDropInterval(quality)}), ${verdict}${mcnemar ? `; ${formatMcNemar(mcnemar)}` : ""}`,
    ],
    ...(kl === null
      ? []
      : [
          [
            "divergence",
            `KL ${formatKl(kl)}, same arg max ${formatPercent(agreement, 2)}`,
          ] as const,
        ]),
  ];
}

/** Writes the report under a temporary name first, so that a cancelled run leaves no half of it. */
export function writeReport(
  file: string,
  comparison: Comparison,
  entries: readonly ApplyResult[],
  context: Context,
  search?: HtmlReport["search"],
): void {
  const { before, after, structure, tensors, measures } = comparison;
  const text = htmlReport(
    {
      title: path.basename(after.path),
      tool: context.tool,
      before: { path: before.path, sizeBytes: before.sizeBytes },
      after: { path: after.path, sizeBytes: after.sizeBytes },
      entries,
      techniqueTitles: Object.fromEntries(context.catalog.map(({ id, title }) => [id, title])),
      structure,
      tensors,
      measures,
      ...(search ? { search } : {}),
    },
    context.webviewBundle(),
  );
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw engineErrors.notWritable(
      path.dirname(path.resolve(file)),
      (error as NodeJS.ErrnoException).code ?? "unknown",
    );
  }
}

/** @throws EngineError where the bundle is missing. */
export function readWebviewBundle(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw engineErrors.notFound(file);
  }
}
