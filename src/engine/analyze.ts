/** The job `analyze`: runs analyzers on a document, one after the other. */
import type { AnalyzeContext, Analyzer } from "../core/analyzer.ts";
import { analyzers } from "../analyzers/index.ts";
import type { Doc } from "../shared/doc.ts";
import { asReason, EngineError, engineErrors, paramErrors } from "../shared/errors.ts";
import { readParams, type ParamsOf, type ParamSchema } from "../shared/params.ts";
import type { Answer, Jobs, Params } from "../shared/protocol.ts";
import type { Report } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import { planEntry } from "./compute.ts";
import { parseCandidate } from "./candidate.ts";
import { dataIdentity } from "./dataIdentity.ts";
import { openDrift, type DriftMeter } from "./drift.ts";
import type { Materialized } from "./env.ts";
import { heldOut } from "./heldOut.ts";
import type { JobTools } from "./jobs.ts";
import { profile } from "./profile.ts";
import { weightErrors } from "./weightErrors.ts";
import { loadReport, reportKey, storeReport } from "./reportCache.ts";

export function findAnalyzer(id: string): Analyzer {
  const found = analyzers.find(({ meta }) => meta.id === id);
  if (!found)
    throw paramErrors.unknownAnalyzer(
      id,
      analyzers.map(({ meta }) => meta.id),
    );
  return found;
}

/** Share of an analyzer's progress that collecting its statistics takes. */
const COLLECTING = 0.6;

/**
 * Reports in the order of `calls`; what was computed before comes from the scratch folder.
 * @throws ParamError for an unknown analyzer or parameter, EngineError `needs-data`, Cancelled.
 */
export async function analyze(
  tools: JobTools,
  { doc, calls, limit }: Params<Jobs, "analyze">,
  task: Task,
): Promise<Answer<Jobs, "analyze">> {
  // All of them first: a typing error in the last is no reason to wait for the others.
  const wanted = calls.map(({ id, params }) => {
    const analyzer = findAnalyzer(id);
    return { analyzer, params: readParams(id, analyzer.meta.params, params) };
  });
  for (const { analyzer } of wanted)
    if (analyzer.meta.data === "required" && doc.data === undefined)
      throw engineErrors.needsData(analyzer.meta.id);
  const state = await tools.env.open(doc, task);
  const reports: Report[] = [];
  for (const [i, { analyzer, params }] of wanted.entries()) {
    const share: Task = {
      signal: task.signal,
      progress: (fraction, message = analyzer.meta.title) =>
        task.progress((i + fraction) / wanted.length, message),
    };
    try {
      reports.push(await runAnalyzer(tools, analyzer, { doc, state, params, limit }, share));
    } catch (error) {
      // One that cannot run here (an operator that onnxruntime lacks) is no reason to lose the others.
      if (wanted.length === 1 || !(error instanceof EngineError)) throw error;
      reports.push(refused(analyzer, error));
    }
  }
  return { reports };
}

const refused = ({ meta }: Analyzer, error: EngineError): Report => ({
  analyzer: meta.id,
  findings: [],
  metrics: [],
  rows: [],
  series: [],
  skipped: [{ name: "the model", reason: asReason(error) }],
  data: null,
});

export interface AnalyzeScene {
  readonly doc: Doc;
  readonly state: Materialized;
  readonly params: ParamsOf<ParamSchema>;
  readonly limit: number | null;
}

export async function runAnalyzer(
  { env, scratch, build, threads }: JobTools,
  analyzer: Analyzer,
  scene: AnalyzeScene,
  task: Task,
): Promise<Report> {
  const { meta } = analyzer;
  const { doc, state, params, limit } = scene;
  const data = meta.data === "none" ? null : (doc.data ?? null);
  if (!meta.formats.includes(state.model.format)) return unfit(analyzer, state);
  const key = reportKey({
    state: state.key,
    analyzer: meta.id,
    version: `${meta.version}/${build}`,
    params,
    data: data === null ? null : dataIdentity(data),
    limit,
  });
  const known = loadReport(scratch, key, new Date());
  if (known) return known;
  const needs = data === null ? [] : (analyzer.needs?.(state.model, params) ?? []);
  const first = needs.length > 0 ? COLLECTING : 0;
  const rest: Task = {
    signal: task.signal,
    progress: (fraction, message) => task.progress(first + (1 - first) * fraction, message),
  };
  const place = env.analysisPlace(state, meta.id, data, rest);
  if (needs.length > 0)
    await place.collect(needs, {
      signal: task.signal,
      progress: (fraction, message) => task.progress(fraction * first, message),
    });
  const quiet: Task = { ...rest, progress: () => {} };
  const timed = { yes: false };
  let meter: DriftMeter | null = null;
  const context: AnalyzeContext = {
    ...place.context,
    plan: async (entries) => {
      const last = entries.at(-1);
      if (!last) return { units: [], skipped: [] };
      const before = [...doc.recipe, ...entries.slice(0, -1)];
      const { model } = await env.open({ ...doc, recipe: before }, quiet);
      return planEntry(model, last).plan;
    },
    weightErrors: (entries) => weightErrors(env, doc, entries, quiet),
    candidate: (text) => parseCandidate(meta.id, text),
    drift: async (entries) => {
      if (data === null) throw engineErrors.needsData(meta.id);
      meter ??= await openDrift({ env, doc, data, limit, threads }, quiet);
      return meter.of(entries.map(heldOut), quiet);
    },
    profile: (runs) => {
      timed.yes = true;
      return env.withScratchFolder((folder) =>
        profile(state.model, { data, runs, threads, folder }, quiet),
      );
    },
  };
  try {
    await context.checkpoint();
    const report = await analyzer.run(state.model, params, context);
    // Times are of this moment; everything else is a function of its key.
    state.check();
    if (!timed.yes) storeReport(scratch, key, report);
    return report;
  } finally {
    await (meter as DriftMeter | null)?.release();
  }
}

const unfit = ({ meta }: Analyzer, { model }: Materialized): Report => ({
  analyzer: meta.id,
  findings: [],
  metrics: [],
  rows: [],
  series: [],
  skipped: [
    {
      name: "the model",
      reason: `${meta.id} works on ${meta.formats.join(" and ")} files, not on ${model.format}`,
    },
  ],
  data: null,
});
