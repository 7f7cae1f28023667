/**
 * Every question, job and host call, typed once. A webview's question is forwarded untouched to the
 * engine; a missing handler does not compile. No weights: answers are at most 1 MB.
 */
import type { Doc, Entry } from "./doc.ts";
import type { GraphQueries } from "./graphView.ts";
import type { Metric, Report, Series, SizeRange, Skip } from "./report.ts";

export interface IoView {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string | null)[];
}

export interface Summary {
  readonly format: "onnx" | "safetensors";
  readonly path: string;
  /** Size of the file itself plus its external data; for a changed document, as it would be saved (estimate within 1 %). */
  readonly sizeBytes: number;
  readonly files: readonly {
    readonly path: string;
    readonly sizeBytes: number;
    readonly role: string;
  }[];
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  /** Nodes of the main graph, and of all graphs. */
  readonly nodes: number;
  readonly nodesInSubgraphs: number;
  readonly tensors: number;
  /** Elements of floating-point (and quantized-weight) initializers. */
  readonly parameters: number;
  readonly bytesByDtype: Readonly<Record<string, number>>;
  readonly opCounts: readonly { readonly op: string; readonly count: number }[];
  readonly inputs: readonly IoView[];
  readonly outputs: readonly IoView[];
  /** Multiply-accumulates of one inference with symbolic dimensions as 1; null where shapes are unknown. */
  readonly macs: number | null;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
  readonly largest: readonly TensorRow[];
  readonly warnings: readonly string[];
}

export interface TensorRow {
  /** Graph path and name together identify a tensor: `graph` is JSON of the path. */
  readonly graph: string;
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly file: string;
  readonly offset: number;
  /** Labels of nodes that use it, at most 8. */
  readonly usedBy: readonly string[];
  /** Set by the recipe: "new", "replaced", or null for as in the file. */
  readonly change: "new" | "replaced" | null;
}
export type TensorSort = "order" | "name" | "dtype" | "size" | "elements";

export interface TensorStats {
  readonly name: string;
  readonly count: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly std: number | null;
  readonly zeros: number;
  readonly nan: number;
  readonly inf: number;
  /** Equal-width bins from min to max; empty for non-numeric or constant tensors. */
  readonly histogram: readonly number[];
  /** Range of each slice along axis 0 (at most 512 slices). */
  readonly channels: readonly { readonly min: number; readonly max: number }[];
  /** First values, at most 32. */
  readonly head: readonly number[];
  /** Null, or why there are no figures (string tensor, packed codes). */
  readonly note: string | null;
}

export interface NodeView {
  readonly label: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly IoView[];
  readonly outputs: readonly IoView[];
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
  readonly tensors: readonly TensorRow[];
  readonly change: "new" | "replaced" | null;
}

export interface UnitView {
  readonly name: string;
  readonly op: string;
  readonly detail: string;
  readonly sizeBefore: number;
  readonly sizeAfter: SizeRange;
}
export interface PlanView {
  readonly transform: string;
  readonly params: Entry["params"];
  readonly units: readonly UnitView[];
  readonly skipped: readonly Skip[];
  /** Bytes of all tensor data of the model before, and after the plan. */
  readonly bytesBefore: number;
  readonly bytesAfter: SizeRange;
}

export type Verified = true | { readonly skipped: string };

export interface ApplyResult {
  readonly entry: Entry;
  readonly units: readonly UnitView[];
  readonly skipped: readonly Skip[];
  /** Tensor bytes of the model before and after this entry. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly verified: Verified;
}

export interface SaveOptions {
  readonly externalData: "auto" | "always" | "never";
  /** Replace an existing file. */
  readonly overwrite: boolean;
  /** Load and run the result once before it takes the name of the output. */
  readonly verify: boolean;
  /** Also write `<output>.lathe.json`. */
  readonly recipeFile: boolean;
}
export interface SaveResult {
  readonly path: string;
  readonly sizeBytes: number;
  /** sha256 of the base file the recipe was applied to; "" when the recipe is empty. */
  readonly sourceSha256: string;
  readonly verified: Verified;
  /** What each entry of the recipe did, in order. */
  readonly applied: readonly ApplyResult[];
  /** When the base itself was replaced: where its old bytes are kept until the document closes. */
  readonly keptBase: string | null;
}

export type MetricName = "top1" | "perplexity" | "psnr" | "mse" | "sqnr";
export interface EvalResult {
  readonly metric: MetricName;
  readonly value: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
  /** Samples, windows' tokens, or tensors measured. */
  readonly n: number;
  readonly better: "lower" | "higher";
  /** No data was given: seeded random inputs; the value compares models, it is no quality. */
  readonly synthetic: boolean;
  readonly data: string | null;
  /** Further figures of the same run, e.g. top5. */
  readonly also: Readonly<Record<string, number>>;
}

export interface BenchModel {
  readonly path: string;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly runs: number;
}
export interface BenchResult {
  readonly models: readonly BenchModel[];
  /** Second model's time over the first's: median of paired runs, with 95 % interval. Null for one model. */
  readonly ratio: number | null;
  readonly ratioLow: number | null;
  readonly ratioHigh: number | null;
  readonly threads: number;
}

export interface TensorDiff {
  readonly name: string;
  readonly status: "added" | "removed" | "changed" | "replaced";
  /** Signal to quantization noise of the new values against the old; null when not comparable. */
  readonly sqnrDb: number | null;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly detail: string;
}
export interface GraphDiff {
  readonly matched: number;
  /**
   * Nodes that belong together, counted by their operators, the most frequent first: replaced by
   * others, absorbed by a neighbour, computed once for several, or folded into a constant.
   */
  readonly groups: readonly {
    readonly kind: "replaced" | "absorbed" | "shared" | "folded";
    readonly before: string;
    readonly after: string;
    readonly count: number;
    /** The first few. */
    readonly names: readonly string[];
  }[];
  /** Constant nodes that only one of the models has; their values are among the tensors. */
  readonly constants: { readonly added: number; readonly removed: number };
  readonly added: readonly { readonly name: string; readonly op: string }[];
  readonly removed: readonly { readonly name: string; readonly op: string }[];
  readonly changed: readonly {
    readonly name: string;
    readonly op: string;
    readonly what: string;
  }[];
}
export interface DiffStructure {
  readonly graph: GraphDiff;
  /** Tensors without numeric comparison (see `diffTensors`). */
  readonly tensors: readonly TensorDiff[];
  readonly size: { readonly before: number; readonly after: number };
}
export interface OutputDiff {
  readonly name: string;
  readonly sqnrDb: number | null;
  readonly maxAbs: number | null;
  readonly cosine: number | null;
  /** Share of samples with the same arg max; null for outputs that are not class scores. */
  readonly agreement: number | null;
  /** Mean squared difference. */
  readonly mse: number | null;
  /** Mean KL(before ‖ after) of the predicted distributions, in nats; null where there are none. */
  readonly kl: number | null;
}
/**
 * One metric of two models on the same samples. Whatever is called a drop is positive when the second
 * is worse: in points (as a share, 0.01 is one point) for accuracies, else relative to `before`.
 */
export interface PairedQuality {
  readonly before: EvalResult;
  readonly after: EvalResult;
  readonly drop: number;
  /** 95 % interval of the drop by paired bootstrap. */
  readonly dropLow: number;
  readonly dropHigh: number;
  readonly dropUnit: "points" | "relative";
  /** What was resampled: samples, windows of text or segments. */
  readonly units: number;
  /** Exact two-sided McNemar test; null for metrics that do not count samples. */
  readonly mcnemar: { readonly lost: number; readonly won: number; readonly p: number } | null;
  /** Of the output the metric reads; as in `OutputDiff`. */
  readonly kl: number | null;
  readonly agreement: number | null;
}
/** One value inside two models. */
export interface ActivationDiff {
  /** The value, and the node that makes it, in the first model. */
  readonly name: string;
  readonly node: string;
  /** Operator, or the nodes that belong together: "Conv + BatchNormalization → Conv". */
  readonly op: string;
  readonly sqnrDb: number | null;
  /** SQNR of the worst of its inputs: the error that was there already. */
  readonly inputDb: number;
  readonly cosine: number | null;
  readonly maxAbs: number | null;
  readonly mse: number | null;
}
export interface ActivationsDiff {
  /** In the order of the first model, so that an error is seen where it starts. */
  readonly rows: readonly ActivationDiff[];
  readonly samples: number;
  /** Null for seeded synthetic inputs. */
  readonly data: string | null;
  /** Matched values that hold no floating-point numbers. */
  readonly notCompared: number;
  /** Matched nodes inside bodies of If, Loop and Scan, which cannot be looked into. */
  readonly inSubgraphs: number;
}
export interface DiffMeasures {
  /** Null where there is no graph to run, with the reason in `notes`. */
  readonly outputs: readonly OutputDiff[] | null;
  readonly accuracy: PairedQuality | null;
  /** Every value inside; null when not asked for, or with the reason in `notes`. */
  readonly activations: ActivationsDiff | null;
  readonly latency: BenchResult | null;
  /** What could not be measured and why; and what the figures stand on. */
  readonly notes: readonly string[];
}

/** One analyzer with its parameters; missing ones are the defaults. */
export interface AnalyzerCall {
  readonly id: string;
  readonly params: Entry["params"];
}

/** One sample of one input, as the model gets it: after all steps of preprocessing. */
export interface DataSample {
  /** Null for text. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** The first values, and how many there are. */
  readonly values: readonly string[];
  readonly count: number;
  /** Small, 8 bit, row by row with channels last; null for what is no picture. */
  readonly picture: {
    readonly width: number;
    readonly height: number;
    readonly channels: number;
    readonly base64: string;
  } | null;
}
export interface DataPreview {
  readonly path: string;
  readonly task: string | null;
  readonly metric: MetricName | null;
  /** Samples to evaluate on. */
  readonly count: number;
  /** There is something to measure against: labels or expected outputs. */
  readonly labelled: boolean;
  /** Samples set aside for calibration; null where there are none, with the reason. */
  readonly calibration: number | null;
  readonly calibrationProblem: import("./errors.ts").Failure | null;
  readonly inputs: readonly (IoView & { readonly samples: readonly DataSample[] })[];
  /** Class of each sample shown; empty for other tasks. */
  readonly labels: readonly string[];
}

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
  readonly state: "chosen" | "rejected" | "not tried";
  /** Why it was chosen, rejected or not tried. */
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

/** Questions about a document: quick, without onnxruntime. */
export interface Queries extends GraphQueries {
  summary(p: { doc: Doc }): Summary;
  tensors(p: {
    doc: Doc;
    from: number;
    to: number;
    sort: TensorSort;
    descending: boolean;
    filter: string;
  }): { total: number; rows: readonly TensorRow[] };
  tensorStats(p: { doc: Doc; graph: string; name: string }): TensorStats;
  nodes(p: { doc: Doc; from: number; to: number; filter: string }): {
    total: number;
    rows: readonly { graph: string; key: string; label: string; op: string }[];
  };
  node(p: { doc: Doc; graph: string; key: string }): NodeView;
  plan(p: { doc: Doc; entry: Entry }): PlanView;
  /** How the document's data fits its model: the first `samples` samples, preprocessed. */
  dataPreview(p: { doc: Doc; samples: number }): DataPreview;
  diffStructure(p: { before: Doc; after: Doc }): DiffStructure;
}

/** What takes long, needs onnxruntime or writes. Never in an untrusted workspace. */
export interface Jobs {
  /** Computes and verifies one more entry on a document; the result is in the cache afterwards. */
  apply(p: { doc: Doc; entry: Entry; verify: boolean }): ApplyResult;
  save(p: { doc: Doc; to: string; options: SaveOptions }): SaveResult;
  evaluate(p: { doc: Doc; data: string | null; limit: number | null }): EvalResult;
  bench(p: { docs: readonly Doc[]; runs: number; threads: number; seed: number }): BenchResult;
  /** SQNR of every changed tensor, dequantized to what it replaced. */
  diffTensors(p: { before: Doc; after: Doc }): { tensors: readonly TensorDiff[] };
  /** Runs analyzers on a document, with `doc.data` where they take data. */
  analyze(p: { doc: Doc; calls: readonly AnalyzerCall[]; limit: number | null }): {
    reports: readonly Report[];
  };
  diffMeasures(p: {
    before: Doc;
    after: Doc;
    data: string | null;
    latency: boolean;
    activations: boolean;
  }): DiffMeasures;
  /**
   * Searches for a recipe that meets the goal, with `doc.data`; writes the result to `to`, with its
   * recipe beside, unless that is null.
   */
  optimize(p: {
    doc: Doc;
    goal: OptimizeGoal;
    to: string | null;
    overwrite: boolean;
    limit: number | null;
  }): OptimizeResult;
  /** Which layers cause what `after` loses against `before`; a recipe is `before` with entries. */
  explain(p: { before: Doc; after: Doc; data: string; limit: number | null }): Explanation;
}

export interface EngineApi extends Queries, Jobs {
  hello(p: { version: string }): { version: string };
  /** Fingerprint of a file, and that it is a model: the first step of opening. */
  open(p: { path: string }): { doc: Doc };
  /** Removes every computed result; recipes are computed again when asked for. */
  clearCache(p: Record<string, never>): { cleared: true };
  /** Gives up the old bytes that a save kept (`SaveResult.keptBase`): its document is closed. */
  release(p: { keptBase: string }): { released: boolean };
}

/** What the webview asks of the host itself. */
export interface HostApi {
  ready(p: Record<string, never>): HostState;
  /** Applies an entry to the document of this editor, as an undoable edit. */
  run(p: { entry: Entry }): { applied: ApplyResult | null };
  /** What the reports made on the document as it is now say about one of these targets. */
  figures(p: { targets: readonly string[] }): { figures: readonly TargetFigures[] };
  /** Shows a technique in the editor, limited to the units of these names where it has any. */
  openTechnique(p: { technique: string; only: readonly string[] }): { shown: boolean };
  /** Runs analyzers on the document of this editor. */
  analyze(p: { calls: readonly AnalyzerCall[] }): { reports: readonly Report[] };
  cancel(p: Record<string, never>): { cancelled: boolean };
  /** Lets the user choose a model to compare with; null when dismissed. */
  pickCompare(p: Record<string, never>): { doc: Doc } | null;
  /** Lets the user choose evaluation data; null when dismissed. */
  pickData(p: Record<string, never>): { data: string } | null;
  /** The document is used without data from now on. */
  forgetData(p: Record<string, never>): { forgotten: boolean };
  /** Lets the user choose a file or folder that a dataset.json names; null when dismissed. */
  pickDataFile(p: { folder: boolean; title: string }): { path: string } | null;
  /**
   * Writes a dataset.json where the user says (null when dismissed) and uses it. `text` is JSON with
   * absolute paths; they are written relative to the file.
   */
  writeDataset(p: { text: string }): { data: string } | null;
  /** Measures for the diff page: a job, so only in trusted workspaces. */
  measureDiff(p: { before: Doc; after: Doc; latency: boolean; activations: boolean }): {
    tensors: readonly TensorDiff[];
    measures: DiffMeasures;
  };
  /** Shows a tensor or node in the inspector panel. */
  select(p: { selection: Selection | null }): { shown: boolean };
  /** Leaves the last `count` entries of the recipe out, as an undoable edit. */
  removeEntries(p: { count: number }): { removed: number };
  openFile(p: { path: string }): { opened: boolean };
}

/** One report's row for a layer or tensor, with its own series. */
export interface TargetFigures {
  readonly analyzer: string;
  readonly metrics: readonly Metric[];
  readonly values: readonly (number | null)[];
  readonly series: readonly Series[];
}

export type Selection =
  | { readonly kind: "tensor"; readonly graph: string; readonly name: string }
  | { readonly kind: "node"; readonly graph: string; readonly key: string };

export type PageId = "summary" | "graph" | "data" | "analysis" | "tensors" | "optimize" | "diff";

export interface HostState {
  readonly doc: Doc;
  /** The file as it was opened, for before/after. */
  readonly original: Doc;
  readonly title: string;
  readonly dirty: boolean;
  /** Null, or why nothing can be changed (untrusted workspace, read-only source). */
  readonly readOnly: string | null;
  readonly job: {
    readonly title: string;
    readonly fraction: number;
    readonly message: string;
  } | null;
  /** Set when a command asks the editor to show something. */
  readonly show: {
    readonly page: PageId;
    readonly technique: string | null;
    /** Names of units to choose, all others left out; absent or empty for every unit. */
    readonly only?: readonly string[];
    readonly compareWith: Doc | null;
  } | null;
  readonly failure: import("./errors.ts").Failure | null;
  /** Raised with every report that is made or grows old. */
  readonly reports: number;
  /** What the inspector panel shows; the last `select` of the active editor. */
  readonly selection: Selection | null;
}
export interface HostEvents {
  state: HostState;
}

/** One technique or family as menus, forms and the command line see it; generated from the techniques. */
export interface CatalogEntry {
  readonly id: string;
  readonly family: string;
  readonly title: string;
  readonly summary: string;
  readonly papers: readonly string[];
  readonly formats: readonly string[];
  readonly ops: readonly string[] | "any";
  readonly data: "none" | "optional" | "required";
  readonly cost: "instant" | "seconds" | "minutes";
  readonly exact: boolean;
  readonly warnings: readonly string[];
  readonly covers: readonly string[];
  readonly version: number;
  readonly suffix: string;
  readonly needsRuntime: boolean;
  readonly params: import("./params.ts").ParamSchema;
}
/** One analyzer as the Analysis page, forms and the command line see it; generated. */
export interface AnalyzerEntry {
  readonly id: string;
  readonly family: string;
  readonly title: string;
  readonly summary: string;
  readonly papers: readonly string[];
  readonly formats: readonly string[];
  readonly data: "none" | "optional" | "required";
  readonly cost: "instant" | "seconds" | "minutes";
  readonly covers: readonly string[];
  readonly version: number;
  readonly params: import("./params.ts").ParamSchema;
}
export type { Metric };

export type Params<A, K extends keyof A> = A[K] extends (p: infer P) => unknown ? P : never;
export type Answer<A, K extends keyof A> = A[K] extends (p: never) => infer R ? R : never;

/** The names of all questions, as a table the compiler keeps complete: the host's forwarder reads it. */
export const QUERIES: { readonly [K in keyof Queries]: true } = {
  summary: true,
  tensors: true,
  tensorStats: true,
  nodes: true,
  node: true,
  plan: true,
  dataPreview: true,
  diffStructure: true,
  graph: true,
  graphNames: true,
};
export const JOBS: { readonly [K in keyof Jobs]: true } = {
  apply: true,
  save: true,
  evaluate: true,
  bench: true,
  diffTensors: true,
  analyze: true,
  diffMeasures: true,
  optimize: true,
  explain: true,
};
/** What a webview may call: the questions, and the host's own methods. */
export type WebviewApi = Queries & HostApi;
