/**
 * The other end of the page's wire: answers every method with the fake model. The page's address
 * chooses what is special: `?scenario=huge|failing|readonly|changed|job|safetensors|shards`, `&slow=ms`.
 */
import { Cancelled, EngineError, engineErrors } from "../../../src/shared/errors.ts";
import type { Entry } from "../../../src/shared/doc.ts";
import type {
  Answer,
  DiffMeasures,
  EvalResult,
  HostEvents,
  HostState,
  Params,
  Queries,
  TensorRow,
  WebviewApi,
} from "../../../src/shared/protocol.ts";
import { serve, type Handlers, type Port } from "../../../src/shared/wire.ts";
import { treeLines } from "../../../src/core/moduleLines.ts";
import { validation } from "./fakeFindings.ts";
import * as fake from "./fakeModel.ts";
import { tree, treeRow } from "./fakeTree.ts";

declare global {
  /** The real engine in the test's process (test/webview/engine.ts). */
  function askEngine<K extends keyof Queries>(
    method: K,
    params: Params<Queries, K>,
  ): Promise<Answer<Queries, K>>;
}

const query = new URLSearchParams(location.search);
const scenario = query.get("scenario") ?? "normal";
const slowMs = Number(query.get("slow") ?? "5");
const JOB_STEP_MS = Number(query.get("step") ?? "40");

/** Names of the methods called, for the tests. */
const calls: { method: string; params: unknown }[] = [];
const failed = new Set<string>();
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

let cancelled = false;
const entry: Entry = { transform: "quantize.weightOnly", params: { bits: 4, block: 32 } };
const original = fake.fakeDoc(
  scenario === "safetensors"
    ? "/home/anna/models/weights.safetensors"
    : scenario === "shards"
      ? "/home/anna/models/large.safetensors.index.json"
      : undefined,
);
let state: HostState = {
  doc: scenario === "changed" || scenario === "node" ? { ...original, recipe: [entry] } : original,
  original,
  title: original.base.path.split("/").at(-1) ?? "",
  dirty: scenario === "changed",
  readOnly: scenario === "readonly" ? engineErrors.untrusted().message : null,
  counterpart:
    scenario === "versions"
      ? {
          doc: fake.fakeDoc("/tmp/copy/sentence-encoder-29.onnx"),
          title: "sentence-encoder-29.onnx (HEAD)",
          isBefore: true,
        }
      : null,
  job:
    scenario === "job" ? { title: "Evaluating", fraction: 0.42, message: "batch 12 of 29" } : null,
  show: null,
  failure: null,
  reports: 0,
  selection:
    scenario === "node" || scenario === "plainNode"
      ? { kind: "node", graph: "[]", key: "out" }
      : scenario === "tensor"
        ? { kind: "tensor", graph: "[]", name: "encoder.layer.3.intermediate.dense.weight" }
        : null,
};

async function answerTo(method: string, params: unknown): Promise<void> {
  calls.push({ method, params });
  await wait(slowMs);
  if (scenario === "failing" && method !== "select" && !failed.has(method)) {
    failed.add(method);
    throw new EngineError({
      code: "gone",
      message: `The engine process ended unexpectedly during ${method} (signal SIGKILL).`,
      hint: "Your file is unchanged. Try again; the engine restarts by itself.",
    });
  }
}

function rows(filter: string, sort: string, descending: boolean): readonly TensorRow[] {
  const value = (row: TensorRow): string | number =>
    sort === "name"
      ? row.name
      : sort === "size"
        ? row.sizeBytes
        : sort === "dtype"
          ? row.dtype
          : row.offset;
  const all = fake.tensors.filter((row) => row.name.includes(filter));
  if (sort === "order") return all;
  const sign = descending ? -1 : 1;
  return [...all].sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
}

const evaluated = (value: number): EvalResult => ({
  metric: "top1",
  value,
  low: value - 0.012,
  high: value + 0.011,
  n: 2000,
  better: "higher",
  synthetic: false,
  data: "data/reviews/dataset.json",
  also: {},
  notes: [],
});
const measures = (
  latency: boolean,
  activations: boolean,
  data: string | undefined,
): DiffMeasures => ({
  activations: activations
    ? {
        rows: [
          { name: "/embeddings/Add", op: "Add", sqnrDb: 300, inputDb: 300, cosine: 1 },
          { name: "/layer.0/q/MatMul", op: "MatMul → MatMulNBits", sqnrDb: 24.9, inputDb: 300 },
          { name: "/layer.0/softmax", op: "Softmax", sqnrDb: 20.1, inputDb: 24.9 },
        ].map((row) => ({ node: row.name, cosine: 0.998, maxAbs: 0.01, mse: 0.0001, ...row })),
        samples: 32,
        data: data ?? null,
        notCompared: 3,
        inSubgraphs: 0,
      }
    : null,
  outputs: [
    {
      name: "sentence_embedding",
      sqnrDb: 27.41,
      maxAbs: 0.0123,
      cosine: 0.998123,
      agreement: null,
      mse: 0.00021,
      kl: null,
    },
    {
      name: "logits",
      sqnrDb: 24.9,
      maxAbs: 0.231,
      cosine: 0.9971,
      agreement: 0.9865,
      mse: 0.0021,
      kl: 0.00312,
    },
  ],
  accuracy:
    data === undefined
      ? null
      : {
          before: evaluated(0.913),
          after: evaluated(0.9085),
          drop: 0.0045,
          dropLow: -0.001,
          dropHigh: 0.01,
          dropUnit: "points",
          units: 2000,
          mcnemar: { lost: 20, won: 11, p: 0.15 },
          kl: 0.00312,
          agreement: 0.9865,
        },
  latency: latency
    ? {
        models: [
          { path: "before.onnx", p50Ms: 8.42, p90Ms: 9.1, runs: 60 },
          { path: "after.onnx", p50Ms: 5.3, p90Ms: 5.9, runs: 60 },
        ],
        ratio: 0.629,
        ratioLow: 0.601,
        ratioHigh: 0.664,
        threads: 2,
      }
    : null,
  notes: [
    data === undefined
      ? "Outputs were compared on 16 seeded synthetic inputs; accuracy needs data."
      : "Outputs were compared on the first 64 samples of data/reviews/dataset.json.",
    "embeddings.word_embeddings.weight is the same in both.",
  ],
});

async function job<T>(title: string, result: () => T): Promise<T> {
  cancelled = false;
  for (let i = 0; i <= 10; i++) {
    if (cancelled) {
      emit({ job: null });
      throw new Cancelled();
    }
    emit({ job: { title, fraction: i / 10, message: `layer ${i * 3} of 29` } });
    await wait(JOB_STEP_MS);
  }
  const value = result();
  emit({ job: null });
  return value;
}

const handlers: Handlers<WebviewApi> = {
  ready: async () => {
    await answerTo("ready", {});
    return state;
  },
  summary: async (p) => {
    await answerTo("summary", p);
    return fake.summary(p.doc);
  },
  validate: async (p) => {
    await answerTo("validate", p);
    return validation(scenario === "invalid");
  },
  tensors: async (p) => {
    await answerTo("tensors", p);
    if (scenario === "huge") {
      const total = p.filter === "" ? fake.HUGE_TOTAL : 40;
      const to = Math.min(p.to, total);
      return {
        total,
        rows: Array.from({ length: Math.max(0, to - p.from) }, (_, i) => fake.hugeRow(p.from + i)),
      };
    }
    const all = rows(p.filter, p.sort, p.descending);
    return { total: all.length, rows: all.slice(p.from, p.to) };
  },
  tensorTree: async (p) => {
    await answerTo("tensorTree", p);
    const root = tree(scenario === "huge" ? fake.HUGE_TOTAL : null, p.filter);
    const isOpen = ({ id }: { id: string }): boolean => p.filter !== "" || p.open.includes(id);
    const lines = treeLines(root, isOpen, p.sort === "size" ? "size" : "order", p.descending);
    return {
      total: lines.length,
      tensors: root.count,
      rows: lines.slice(p.from, p.to).map(treeRow),
    };
  },
  tensorStats: async (p) => {
    await answerTo("tensorStats", p);
    return fake.stats(p.name);
  },
  nodes: async (p) => {
    await answerTo("nodes", p);
    return await askEngine("nodes", p);
  },
  node: async (p) => {
    await answerTo("node", p);
    return scenario === "plainNode" ? { ...fake.node, op: "MatMul", domain: "" } : fake.node;
  },
  dataPreview: async (p) => {
    await answerTo("dataPreview", p);
    return fake.dataPreview(p.doc.data ?? "", scenario === "pictures");
  },
  graph: async (p) => {
    await answerTo("graph", p);
    return await askEngine("graph", p);
  },
  graphNames: async (p) => {
    await answerTo("graphNames", p);
    return await askEngine("graphNames", p);
  },
  plan: async (p) => {
    await answerTo("plan", p);
    const { transform, params, scope } = p.entry;
    if (transform === "graph.clean")
      return {
        ...fake.plan(4, 1024, []),
        transform,
        units: [],
        skipped: [{ name: "If_0", reason: "its branches read values of the outer graph" }],
      };
    return {
      ...fake.plan(Number(params["bits"] ?? 4), Number(params["minimum"] ?? 1024), scope ?? null),
      transform,
    };
  },
  diffStructure: async (p) => {
    await answerTo("diffStructure", p);
    const layers = Array.from({ length: 29 }, (_, i) => `/encoder/layer.${i}/output/dense/MatMul`);
    return {
      graph: {
        matched: 666,
        groups: [
          {
            kind: "absorbed",
            before: "Gemm",
            after: "DequantizeLinear + Gemm",
            count: 1,
            names: ["/pooler/dense/Gemm"],
          },
        ],
        constants: { added: 0, removed: 12 },
        added: layers.map((name) => ({ name: `${name}_Q4`, op: "MatMulNBits" })),
        removed: layers.map((name) => ({ name, op: "MatMul" })),
        changed: [
          {
            name: "/pooler/dense/Gemm",
            op: "Gemm",
            what: "input 1: pooler.dense.weight → pooler.dense.weight_dequantized",
          },
        ],
      },
      tensors: fake.tensorDiffs(false),
      size: { before: fake.TENSOR_BYTES, after: fake.plan(4, 1024, null).bytesAfter.max },
    };
  },
  run: async (p) => {
    await answerTo("run", p);
    const planned = fake.plan(Number(p.entry.params["bits"]), 1024, p.entry.scope ?? null);
    const applied = await job("Weight-only quantization", () => ({
      entry: p.entry,
      units: planned.units,
      skipped: planned.skipped.slice(0, 3),
      notes: [],
      bytesBefore: planned.bytesBefore,
      bytesAfter: planned.bytesAfter.max,
      verified: true as const,
    })).catch((error: unknown) => {
      if (error instanceof Cancelled) return null;
      throw error;
    });
    if (applied)
      emit({ doc: { ...state.doc, recipe: [...state.doc.recipe, p.entry] }, dirty: true });
    return { applied };
  },
  optimize: async (p) => {
    await answerTo("optimize", p);
    return await job("Optimizing", () => ({ result: fake.optimized(p.goal.maxDrop !== 0) }));
  },
  runAll: async (p) => {
    await answerTo("runAll", p);
    await job("Optimize", () => null);
    emit({ doc: { ...state.doc, recipe: [...state.doc.recipe, ...p.entries] }, dirty: true });
    return { applied: [] };
  },
  figures: async (p) => {
    await answerTo("figures", p);
    const { metrics, rows, series } = fake.report("sensitivity.layerwise", 4);
    const { values = [] } = rows[0] ?? {};
    return state.selection !== null
      ? {
          figures: [
            { analyzer: "sensitivity.layerwise", metrics, values, series: series.slice(0, 1) },
          ],
        }
      : { figures: [] };
  },
  openTechnique: async (p) => {
    await answerTo("openTechnique", p);
    return { shown: true };
  },
  analyze: async (p) => {
    await answerTo("analyze", p);
    return await job("Analyzing", () => ({
      reports: p.calls.map(({ id, params }) => fake.report(id, Number(params["bits"] ?? 4))),
    }));
  },
  cancel: async (p) => {
    await answerTo("cancel", p);
    cancelled = true;
    return { cancelled: true };
  },
  pickCompare: async (p) => {
    await answerTo("pickCompare", p);
    return { doc: fake.fakeDoc("/home/anna/models/sentence-encoder-29.other.onnx") };
  },
  openCompare: async (p) => {
    await answerTo("openCompare", p);
    return { opened: true };
  },
  pickData: async (p) => {
    await answerTo("pickData", p);
    const data = "data/reviews/dataset.json";
    emit({ doc: { ...state.doc, data }, original: { ...state.original, data } });
    return { data };
  },
  forgetData: async (p) => {
    await answerTo("forgetData", p);
    emit({ doc: { base: state.doc.base, recipe: state.doc.recipe } });
    return { forgotten: true };
  },
  pickDataFile: async (p) => {
    await answerTo("pickDataFile", p);
    return { path: p.folder ? "/home/anna/data/images" : "/home/anna/data/calib_x.npy" };
  },
  writeDataset: async (p) => {
    await answerTo("writeDataset", p);
    const data = "/home/anna/models/dataset.json";
    emit({ doc: { ...state.doc, data } });
    return { data };
  },
  measureDiff: async (p, task) => {
    await answerTo("measureDiff", p);
    return await job("Measuring", () => {
      task.progress(1, "done");
      return {
        tensors: fake.tensorDiffs(true),
        measures: measures(p.latency, p.activations, state.doc.data),
      };
    });
  },
  select: async (p) => {
    await answerTo("select", p);
    return { shown: true };
  },
  removeEntries: async (p) => {
    await answerTo("removeEntries", p);
    const recipe = state.doc.recipe.slice(0, -p.count);
    emit({ doc: { ...state.doc, recipe } });
    return { removed: p.count };
  },
  openFile: async (p) => {
    await answerTo("openFile", p);
    return { opened: true };
  },
};

const listeners: ((frame: unknown) => void)[] = [];
const port: Port = {
  post: (frame) => window.postMessage(structuredClone(frame), "*"),
  onMessage: (listener) => listeners.push(listener),
  onClose: () => undefined,
};
const server = serve<WebviewApi, HostEvents>(port, handlers, () => performance.now());
function emit(change: Partial<HostState>): void {
  state = { ...state, ...change };
  server.emit("state", state);
}

/** As VS Code keeps it: survives a reload of the page, not a new tab. */
const STORE = "vscode-state";
Object.assign(globalThis, {
  acquireVsCodeApi: () => ({
    postMessage: (frame: unknown) => {
      const copy: unknown = structuredClone(frame);
      setTimeout(() => {
        for (const listener of listeners) listener(copy);
      });
    },
    getState: (): unknown => JSON.parse(sessionStorage.getItem(STORE) ?? "null"),
    setState: (value: unknown) => sessionStorage.setItem(STORE, JSON.stringify(value)),
  }),
  fakeHost: { calls, emit, state: () => state },
});
