/**
 * The contract of an analyzer: it changes nothing and answers with a Report. A file under
 * `analyzers/<family>/` default-exports `defineAnalyzer({...})`; index, catalogue, the Analysis page,
 * `lathe analyze` and documentation come from `meta`.
 */
import type { Entry } from "../shared/doc.ts";
import type { ParamSchema, ParamsOf } from "../shared/params.ts";
import type { Report, Skip } from "../shared/report.ts";
import type { WorkContext } from "./context.ts";
import type { Model } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { Need } from "./statistics.ts";

export const ANALYZER_FAMILIES = ["sensitivity", "redundancy", "cost"] as const;
export type AnalyzerFamily = (typeof ANALYZER_FAMILIES)[number];

export interface AnalyzerMeta<S extends ParamSchema = ParamSchema> {
  /** `family.file`. */
  readonly id: `${AnalyzerFamily}.${string}`;
  readonly title: string;
  /** One sentence: what it finds out. */
  readonly summary: string;
  readonly papers: readonly string[];
  readonly formats: readonly ("onnx" | "safetensors")[];
  /** `optional`: more is told with data than without. Analyzers that need none run by default. */
  readonly data: "none" | "optional" | "required";
  readonly cost: "instant" | "seconds" | "minutes";
  /** Row ids of the techniques table this covers. */
  readonly covers: readonly string[];
  /** Raised when answers change for the same parameters. */
  readonly version: number;
  readonly api: 1;
  readonly params: S;
}

/** How far a changed model is from the one it was made from, on the same samples. */
export interface Drift {
  /** Mean over outputs of KL(p_before ‖ p_after) in nats; null where outputs are no distributions. */
  readonly kl: number | null;
  readonly mse: number;
  readonly cosine: number;
  readonly sqnrDb: number;
  /** Share of equal decisions; null where outputs are no class scores. */
  readonly agreement: number | null;
  /** The data's own metric of both; null without labels. */
  readonly metric: {
    readonly name: string;
    readonly before: number;
    readonly after: number;
    readonly better: "lower" | "higher";
  } | null;
  readonly samples: number;
  /** In words, the samples it was measured on. */
  readonly evidence: string;
}

/** A weight that a candidate stores in another way, against its old values. */
export interface WeightError {
  /** The tensor's name before. */
  readonly name: string;
  /** Label of the first node that uses it. */
  readonly node: string;
  /** Signal to error ratio of the values; null when they cannot be compared, with the reason. */
  readonly sqnrDb: number | null;
  readonly reason: string | null;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface WeightErrors {
  readonly errors: readonly WeightError[];
  readonly skipped: readonly Skip[];
}

/** Time of one operator in one inference, from the runtime's own profile. */
export interface OperatorTime {
  /** Node's name in the graph that the runtime ran; fused nodes keep the name of one of their parts. */
  readonly node: string;
  readonly op: string;
  readonly timeMs: number;
}

export interface AnalyzeContext extends WorkContext {
  /**
   * Reads techniques typed as "quantize.weightOnly bits=4", several separated by ";", or as JSON: an
   * entry of a recipe or a list of them. @throws ParamError for what no technique is or has.
   */
  candidate(text: string): readonly Entry[];
  /**
   * What the last of `entries` would change in the analyzed model once the others are applied: its
   * units are the layers to try.
   */
  plan(entries: readonly Entry[]): Promise<Plan>;
  /**
   * Applies `entries` to the analyzed model and runs both over the same samples (the search split).
   * The analyzed model's own outputs are computed once.
   * @throws EngineError `needs-data` without data.
   */
  drift(entries: readonly Entry[]): Promise<Drift>;
  /**
   * Applies `entries` and compares every weight with what became of it, number by number; what the
   * last of them left alone, in planning or in applying, is in `skipped`. No data.
   */
  weightErrors(entries: readonly Entry[]): Promise<WeightErrors>;
  /** Mean time of every operator over `runs` inferences. */
  profile(runs: number): Promise<readonly OperatorTime[]>;
}

export interface Analyzer<S extends ParamSchema = ParamSchema> {
  readonly meta: AnalyzerMeta<S>;
  /** Statistics that `run` will ask for, collected together before. */
  needs?(model: Model, params: ParamsOf<S>): readonly Need[];
  run(model: Model, params: ParamsOf<S>, ctx: AnalyzeContext): Promise<Report>;
}

/** Gives an analyzer's file its types; the schema fixes the type of `params`. */
export const defineAnalyzer = <const S extends ParamSchema>(analyzer: Analyzer<S>): Analyzer<S> =>
  analyzer;
