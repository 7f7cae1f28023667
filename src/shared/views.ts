/** What questions and jobs answer with: plain JSON, as pages and the command line show it. */
import type { Entry } from "./doc.ts";
import type { SizeRange, Skip } from "./report.ts";

export interface IoView {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string | null)[];
}

export interface TrainingPartView {
  readonly nodes: number;
  readonly sets: number;
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
  /** The model's own functions; an overload is "" where it has none. */
  readonly functions: readonly {
    readonly domain: string;
    readonly name: string;
    readonly overload: string;
    readonly nodes: number;
  }[];
  /** `training_info`: nodes of its graphs, and how many initializers each sets. */
  readonly training: readonly {
    readonly initialization: TrainingPartView;
    readonly algorithm: TrainingPartView;
  }[];
  readonly opCounts: readonly { readonly op: string; readonly count: number }[];
  readonly inputs: readonly IoView[];
  readonly outputs: readonly IoView[];
  /** Multiply-accumulates of one inference with symbolic dimensions as 1; null where shapes are unknown. */
  readonly macs: number | null;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
  readonly largest: readonly TensorRow[];
  /** The modules that names tell of, in a few lines; numbered modules of one build are one line. */
  readonly modules: readonly {
    readonly depth: number;
    readonly label: string;
    /** Of how many modules; the figures are those of all of them. */
    readonly repeat: number;
    readonly tensors: number;
    readonly sizeBytes: number;
  }[];
  readonly warnings: readonly string[];
}

/** One thing that is wrong with a model by the ONNX specification, or nearly so. */
export interface FindingView {
  /** Of a closed list: "missing-input", "duplicate-name" … */
  readonly code: string;
  /**
   * "error": no model by the specification. "type": types or shapes contradict each other.
   * "warning": a model all the same.
   */
  readonly severity: "error" | "type" | "warning";
  /** Key of the graph it is in, as in `Selection`. */
  readonly graph: string;
  /** "domain.name" of the function whose body it is in. */
  readonly inFunction: string | null;
  /** The graph of the training information it is in: "initialization 1", "algorithm 1". */
  readonly inTraining: string | null;
  /** The node's key, what it is called by, and its operator. */
  readonly node: string | null;
  readonly label: string | null;
  readonly op: string | null;
  readonly value: string | null;
  readonly message: string;
  readonly fix: string;
}
export interface Validation {
  /** No finding is an error or of types: the ONNX checker accepts the model, full check included. */
  readonly valid: boolean;
  /** Of all there are, those that are left out included. */
  readonly counts: Readonly<Record<FindingView["severity"], number>>;
  /** Errors first; as many as fit. */
  readonly findings: readonly FindingView[];
  /** How many are not in `findings`. */
  readonly leftOut: number;
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

/** A line of the tree of modules, as far as it is opened. */
export type TreeRow =
  | {
      readonly kind: "module";
      readonly depth: number;
      readonly id: string;
      readonly label: string;
      /** Tensors below, and their bytes. */
      readonly count: number;
      readonly sizeBytes: number;
      readonly open: boolean;
    }
  | {
      readonly kind: "tensor";
      readonly depth: number;
      readonly label: string;
      readonly tensor: TensorRow;
    };

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
  /** Runs over the calibration samples, where the technique measures activations and there is data. */
  readonly passes?: number;
  readonly samples?: number;
}

export type Verified = true | { readonly skipped: string };

export interface ApplyResult {
  readonly entry: Entry;
  readonly units: readonly UnitView[];
  readonly skipped: readonly Skip[];
  /** What should be known of how it was done: of the calibration data. */
  readonly notes: readonly string[];
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
  /** The runtime that the result is for, kept in its recipe. */
  readonly target?: string;
  /** Tensor data per shard; null or absent keeps the shards there are. Only for `*.safetensors.index.json`. */
  readonly maxShardBytes?: number | null;
}
export interface ConvertResult {
  readonly path: string;
  /** Of all files. */
  readonly sizeBytes: number;
  readonly files: readonly string[];
  readonly tensors: number;
  /** Tensors that came from other weights. */
  readonly replaced: number;
  readonly skipped: readonly Skip[];
  readonly verified: Verified;
  /** As of a saved document. */
  readonly notes: readonly string[];
}
export interface SaveResult {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the base file with its external data or shards. */
  readonly baseBytes: number;
  /** sha256 of the base file the recipe was applied to; "" when the recipe is empty. */
  readonly sourceSha256: string;
  readonly verified: Verified;
  /** What each entry of the recipe did, in order. */
  readonly applied: readonly ApplyResult[];
  /** When the base itself was replaced: where its old bytes are kept until the document closes. */
  readonly keptBase: string | null;
  /** What should be known of it: old data files that were kept, and why. */
  readonly notes: readonly string[];
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
  /** What should be known of what the model was fed, in sentences. */
  readonly notes: readonly string[];
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
  /** What should be known of what the model is fed, in sentences. */
  readonly notes: readonly string[];
  /** Samples set aside for calibration; null where there are none, with the reason. */
  readonly calibration: number | null;
  readonly calibrationProblem: import("./errors.ts").Failure | null;
  readonly inputs: readonly (IoView & { readonly samples: readonly DataSample[] })[];
  /** Class of each sample shown; empty for other tasks. */
  readonly labels: readonly string[];
}
