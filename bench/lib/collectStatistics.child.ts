/** Collects one kind of statistic for every value of a model, alone in its process: model, dataset, kind, budget. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { mainGraph } from "../../src/core/model.ts";
import { valueAt, useOf, type Need, type StatKind } from "../../src/core/statistics.ts";
import { scopeOf } from "../../src/core/scope.ts";
import { nodeKey } from "../../src/core/model.ts";
import { createBlas } from "../../src/engine/blas.ts";
import { openModel } from "../../src/engine/files.ts";
import { collectNeeds } from "../../src/engine/statistics/collect.ts";
import { STATISTICS_BUDGET_BYTES } from "../../src/engine/statistics/statistics.ts";

const [file = "", data = "", kind = "", budget = ""] = process.argv.slice(2);
const model = openModel(file);
const graph = mainGraph(model);
const stat = kind as StatKind;
const needs: Need[] =
  stat === "gram"
    ? graph.nodes
        .filter(({ op, inputs }) => {
          if (!["Conv", "MatMul", "Gemm"].includes(op)) return false;
          return scopeOf(model).constant([], inputs[1] ?? "") !== null;
        })
        .map((node): Need => ({ stat, at: useOf([], nodeKey(node)), of: "before" }))
    : graph.nodes
        .flatMap(({ outputs }) => outputs)
        .filter((name) => name !== "" && scopeOf(model).constant([], name) === null)
        .map((name): Need => ({ stat, at: valueAt([], name, -1), of: "before" }));
const folder = mkdtempSync(path.join(os.tmpdir(), "lathe-bench-statistics-"));
const current = (): typeof model => model;
let answers = 0;
let refused = "";
const task = {
  signal: { aborted: false, addEventListener: () => {}, removeEventListener: () => {} },
  progress: () => {},
};
try {
  const { passes, samples } = await collectNeeds(
    needs,
    {
      data,
      seed: 0,
      models: { base: current, before: current, current },
      threads: 2,
      blas: createBlas(2),
      budgetBytes: budget === "" ? STATISTICS_BUDGET_BYTES : Number(budget),
      folder,
    },
    (_key, answer) => {
      answers++;
      if (answer instanceof Error) refused = answer.message;
    },
    task,
  );
  console.log(JSON.stringify({ needs: needs.length, answers, passes, samples, refused }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
