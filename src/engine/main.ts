/**
 * Entry of both children. `ask` answers questions and never loads onnxruntime; `job` does one long
 * piece of work and may be ended at any moment.
 */
import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import type { Doc } from "../shared/doc.ts";
import { engineErrors } from "../shared/errors.ts";
import type { EngineApi, Jobs, Queries } from "../shared/protocol.ts";
import type { Task } from "../shared/task.ts";
import { serve, type Handlers, type Port } from "../shared/wire.ts";
import { explain } from "./advise/explain.ts";
import { optimize } from "./advise/optimize.ts";
import { analyze } from "./analyze.ts";
import { orChanged } from "./baseFile.ts";
import { bench } from "./bench.ts";
import { convert } from "./convert.ts";
import { diffMeasures, diffTensors } from "./diff.ts";
import { createComputing } from "./computing.ts";
import type { EngineEnv } from "./env.ts";
import { createEnvironment } from "./environment.ts";
import { evaluate } from "./evaluate.ts";
import { expectedHash } from "./expectedHash.ts";
import { apply, save } from "./jobs.ts";
import { plan } from "./planQuestion.ts";
import { dataPreview } from "./questions/dataPreview.ts";
import { diffStructure } from "./questions/diffStructure.ts";
import { graph, graphNames } from "./questions/graph.ts";
import { node } from "./questions/node.ts";
import { nodes } from "./questions/nodes.ts";
import { summary } from "./questions/summary.ts";
import { tensors } from "./questions/tensors.ts";
import { validate } from "./questions/validate.ts";
import { tensorTree } from "./questions/tensorTree.ts";
import { tensorStats } from "./questions/tensorStats.ts";
import { sweepLitter } from "./saveLitter.ts";
import { clearScratch, openScratch, releaseKept, sweepScratch } from "./scratch.ts";
import { loadKernels } from "./wasm.ts";

/** What the parent passes as the last argument, as JSON. */
export interface ChildConfig {
  readonly role: "ask" | "job";
  /** Whether this child tidies the scratch folder when it starts. */
  readonly sweeps: boolean;
  readonly scratchDir: string;
  readonly scratchLimitBytes: number;
  /** For one pass over calibration data; null for the default. */
  readonly memoryBudgetBytes: number | null;
  readonly threads: number;
  readonly version: string;
}

function main(): void {
  const config = JSON.parse(process.argv[2] ?? "{}") as ChildConfig;
  // V8 optimizes functions eight times later. Compiling those that parse a model of 1.5 GB took 0.15 s of
  // CPU time more than it saved; a loop that works for seconds is still optimized in its first milliseconds.
  setFlagsFromString("--interrupt-budget=1056000");
  // The parent decides when this process ends: Ctrl-C in a terminal reaches the whole group.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit(0));
  const scratch = openScratch(config.scratchDir);
  const build = buildOf(config.version);
  if (config.sweeps) sweepScratch(scratch, config.scratchLimitBytes, Date.now());
  const env = createEnvironment({
    scratch,
    kernels: loadKernels(),
    build,
    computing:
      config.role === "job"
        ? createComputing(config.threads, config.memoryBudgetBytes ?? undefined)
        : null,
  });
  const tools = { env, scratch, toolVersion: config.version, build, threads: config.threads };
  const expected = expectedHash();
  const queries: Handlers<Queries> = {
    summary: (p, task) => summary(p, env, task),
    validate: (p, task) => validate(p, env, task),
    tensors: (p, task) => tensors(p, env, task),
    tensorTree: (p, task) => tensorTree(p, env, task),
    tensorStats: (p, task) => tensorStats(p, env, task),
    nodes: (p, task) => nodes(p, env, task),
    node: (p, task) => node(p, env, task),
    plan: (p, task) => plan(p, env, task),
    dataPreview: (p, task) => dataPreview(p, env, task),
    diffStructure: (p, task) => diffStructure(p, env, task),
    graph: (p, task) => graph(p, env, task),
    graphNames: (p, task) => graphNames(p, env, task),
  };
  const jobs: Handlers<Jobs> = {
    apply: (p, task) => apply(tools, p, task),
    convert: (p, task) => convert(tools, p, task),
    save: (p, task) => save({ ...tools, hashOf: expected.take }, p, task),
    evaluate: async ({ doc, data, limit }, task) =>
      evaluate(
        await runnable(env, doc, "evaluated", task),
        data,
        {
          limit,
          threads: config.threads,
          // Without data a changed model can still be measured against what it was made from.
          reference: doc.recipe.length > 0 ? doc.base.path : null,
        },
        task,
      ),
    bench: async ({ docs, runs, threads, seed }, task) =>
      bench(await filesFor(env, docs, task), { runs, threads, seed }, task),
    analyze: (p, task) => analyze(tools, p, task),
    optimize: (p, task) => optimize(tools, p, task),
    explain: (p, task) => explain(tools, p, task),
    diffTensors: (p, task) => diffTensors(p, env, task),
    diffMeasures: (p, task) => diffMeasures(p, env, { threads: config.threads }, task),
  };
  const api: Handlers<EngineApi> = {
    hello: () => ({ version: config.version }),
    release: ({ keptBase }) => ({ released: releaseKept(scratch, keptBase) }),
    sourceHash: ({ hash }) => {
      expected.note(hash);
      return { noted: true };
    },
    clearCache: () => {
      clearScratch(scratch);
      return { cleared: true };
    },
    open: ({ path: file }) => {
      const absolute = path.resolve(file);
      const doc = env.openFile(absolute);
      sweepLitter(path.dirname(realpathSync(absolute)));
      return { doc };
    },
    ...queries,
    ...jobs,
  };
  serve<EngineApi>(parentPort(), api, () => performance.now(), orChanged);
}

/** The version and the bytes of this bundle: they change with any code that results depend on. Takes 2 ms. */
function buildOf(version: string): string {
  const bundle = readFileSync(process.argv[1] ?? "");
  return `${version}+${createHash("sha256").update(bundle).digest("hex").slice(0, 16)}`;
}

/** @throws EngineError for weights without a graph */
async function runnable(env: EngineEnv, doc: Doc, action: string, task: Task): Promise<string> {
  const { model } = await env.open(doc, task);
  if (model.format !== "onnx") throw engineErrors.noGraph(doc.base.path, action);
  return env.fileFor(doc, task);
}

async function filesFor(
  env: EngineEnv,
  docs: Parameters<Handlers<Jobs>["bench"]>[0]["docs"],
  task: Task,
): Promise<string[]> {
  const files: string[] = [];
  for (const doc of docs) files.push(await runnable(env, doc, "timed", task));
  return files;
}

function parentPort(): Port {
  return {
    post: (frame) => {
      // The parent may have gone in this moment; `disconnect` then ends this process.
      if (process.connected) process.send?.(frame);
    },
    onMessage: (listener) => process.on("message", listener),
    onClose: (listener) => process.on("disconnect", () => listener("the parent went away")),
  };
}

main();
