/**
 * Every question, job and host call, typed once. A webview's question is forwarded untouched to the
 * engine; a missing handler does not compile. No weights: answers are at most 1 MB.
 */
import type { Doc, Entry } from "./doc.ts";
import type { FileHash } from "./fileHash.ts";
import type { GraphQueries } from "./graphView.ts";
import type { Metric, Report, Series } from "./report.ts";
import type { OptimizeGoal, OptimizeResult, Explanation } from "./advice.ts";
import type {
  Summary,
  Validation,
  TensorRow,
  TensorSort,
  TreeRow,
  TensorStats,
  NodeView,
  PlanView,
  ApplyResult,
  SaveOptions,
  SaveResult,
  ConvertResult,
  EvalResult,
  BenchResult,
  TensorDiff,
  DiffStructure,
  DiffMeasures,
  AnalyzerCall,
  DataPreview,
} from "./views.ts";

export type * from "./advice.ts";
export type * from "./views.ts";

/** Questions about a document: quick, without onnxruntime. */
export interface Queries extends GraphQueries {
  summary(p: { doc: Doc }): Summary;
  /** The document as it is now against the ONNX specification. */
  validate(p: { doc: Doc; checksums?: boolean }): Validation;
  tensors(p: {
    doc: Doc;
    from: number;
    to: number;
    sort: TensorSort;
    descending: boolean;
    filter: string;
  }): { total: number; rows: readonly TensorRow[] };
  /** A window of the tree of modules; `open` are the ids of those that are opened (all, with a filter). */
  tensorTree(p: {
    doc: Doc;
    open: readonly string[];
    from: number;
    to: number;
    sort: TensorSort;
    descending: boolean;
    filter: string;
  }): { total: number; tensors: number; rows: readonly TreeRow[] };
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
  /**
   * Writes a model in another layout of files or the other format: `to`'s name says which. `weights`:
   * a safetensors document whose tensors replace those of the same name.
   */
  convert(p: {
    doc: Doc;
    weights: Doc | null;
    to: string;
    options: Omit<SaveOptions, "recipeFile">;
  }): ConvertResult;
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
  /**
   * The hash of the base for this child's save: announced before it, so that the child does not
   * compute it, and sent when it is known; null when it cannot be.
   */
  sourceHash(p: { hash: FileHash | "coming" | null }): { noted: true };
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
  /** Searches for a recipe that meets the goal; changes and writes nothing. */
  optimize(p: { goal: OptimizeGoal }): { result: OptimizeResult };
  /** Applies several entries in order, as one undoable edit. */
  runAll(p: { entries: readonly Entry[] }): { applied: readonly ApplyResult[] };
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
  /** Opens the comparison with the counterpart in a tab of its own. */
  openCompare(p: Record<string, never>): { opened: boolean };
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
  /** Another version of the same file that is open beside this one, as in a diff of Git. */
  readonly counterpart: {
    readonly doc: Doc;
    readonly title: string;
    /** The other one is the earlier version. */
    readonly isBefore: boolean;
  } | null;
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
  /** What is lost when data is optional and none is chosen. */
  readonly withoutData?: string;
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
  validate: true,
  tensors: true,
  tensorTree: true,
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
  convert: true,
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
