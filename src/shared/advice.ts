/** What optimizing and explaining are asked for and answer with. */
import type { Entry } from "./doc.ts";
import type { Skip } from "./report.ts";
import type { Verified, ApplyResult, EvalResult, BenchResult, PairedQuality } from "./views.ts";

/** What *Optimize…* is asked for. At least one of the three. */
export interface OptimizeGoal {
  /**
   * Largest drop of the data's metric: in points as a share (0.01 is one point) for accuracies, else
   * relative. Holds only when the upper end of the drop's 95 % interval is within it.
   */
  readonly maxDrop: number | null;
  /** Of the file: in bytes, or as a share of the file as it is. */
  readonly targetSize: { readonly bytes: number } | { readonly share: number } | null;
  readonly faster: boolean;
}

/** One configuration that *Optimize…* looked at: a point of the Pareto scatter. */
export interface Considered {
  /** "int8 (10 layers), 4 bit (1 layer)". */
  readonly label: string;
  readonly entries: readonly Entry[];
  /** Estimated from the plan where it was not written. */
  readonly sizeBytes: number;
  /** Mean KL to the model as it is, in nats, on the search split; null where outputs are no distributions. */
  readonly kl: number | null;
  readonly sqnrDb: number | null;
  /** Predicted before it was run, as the sum over its layers. */
  readonly predictedKl: number | null;
  /** Time over the model's as it is; null where it was not measured. */
  readonly latencyRatio: number | null;
  /** On the report split; null where it was not measured. */
  readonly drop: number | null;
  readonly dropLow: number | null;
  readonly dropHigh: number | null;
  /** "measured": it would have done, but another was better. */
  readonly state: "chosen" | "rejected" | "measured";
  /** Why it was chosen, rejected or passed over. */
  readonly reason: string;
}

/** One thing worth doing, with what it gives, what it risks, and why. */
export interface Suggestion {
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly predictedGain: string;
  readonly measuredRisk: string;
  readonly reason: string;
}

export interface OptimizeResult {
  /** False: nothing safe was found, and nothing was written. */
  readonly found: boolean;
  /** What the chosen recipe did, in order; empty when nothing was found. */
  readonly applied: readonly ApplyResult[];
  readonly entries: readonly Entry[];
  readonly output: string | null;
  readonly sourceSha256: string;
  readonly verified: Verified;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  /** Quality on the report split; null without labels or expected outputs. */
  readonly quality: PairedQuality | null;
  readonly latency: BenchResult | null;
  readonly considered: readonly Considered[];
  readonly suggestions: readonly Suggestion[];
  /** What was decided and why, in sentences, in order. */
  readonly reasons: readonly string[];
  /** What the figures were measured on: the splits with their sizes. */
  readonly data: string | null;
  /** What should be known of what the model was fed, in sentences. */
  readonly notes: readonly string[];
}

/** One layer's part in what a change does to a model. */
export interface LayerCause {
  readonly name: string;
  /** Only this layer is changed: KL in nats (SQNR where outputs are no distributions), and the metric. */
  readonly alone: {
    readonly kl: number | null;
    readonly sqnrDb: number;
    readonly metric: number | null;
  };
  /** All but this layer are changed. */
  readonly restored: {
    readonly kl: number | null;
    readonly sqnrDb: number;
    readonly metric: number | null;
  } | null;
  /** SQNR of what the layer gives in the changed model, with all errors before it; null where unknown. */
  readonly cascadedDb: number | null;
  /** Share of the damage of all single layers. */
  readonly share: number;
  /** Bytes that keeping this layer as it was costs. */
  readonly savedBytes: number;
}
export interface Explanation {
  /** In sentences: which layers cause the loss, how errors grow, and what to do next. */
  readonly findings: readonly string[];
  readonly before: EvalResult | null;
  readonly after: EvalResult | null;
  /** Of all changes together. */
  readonly kl: number | null;
  readonly sqnrDb: number;
  /** Worst first. */
  readonly layers: readonly LayerCause[];
  /** The next action: these layers kept, and what that gives. */
  readonly keep: {
    readonly names: readonly string[];
    readonly kl: number | null;
    readonly metric: EvalResult | null;
    readonly costBytes: number;
    /** The recipe with these layers left out; null where AFTER is no recipe. */
    readonly entries: readonly Entry[] | null;
  } | null;
  readonly skipped: readonly Skip[];
  readonly data: string;
}
