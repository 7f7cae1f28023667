/** The engine's questions about graphs, answered for a page in the test's own process. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { graph, graphNames } from "../../src/engine/questions/graph.ts";
import { node } from "../../src/engine/questions/node.ts";
import { nodes } from "../../src/engine/questions/nodes.ts";
import type { Doc } from "../../src/shared/doc.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { modelFile, task } from "../helpers/temp.ts";

export interface PageEngine {
  /** Answers about the model whatever the path of the document says; its recipe counts. */
  ask(model: string, method: string, params: Record<string, unknown>): Promise<unknown>;
  close(): void;
}

export function pageEngine(): PageEngine {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-pages-"));
  mkdirSync(path.join(folder, "scratch"));
  const env = testEnvironment(folder);
  const files = new Map<string, string>();
  const fileOf = (model: string): string => {
    if (model.endsWith(".onnx")) return model;
    const file = files.get(model) ?? modelFile(folder, model, `model${files.size}.onnx`);
    files.set(model, file);
    return file;
  };
  const questions = { graph, graphNames, node, nodes };
  return {
    ask: async (model, method, params) => {
      const { recipe } = params["doc"] as Doc;
      const question = questions[method as keyof typeof questions] as (
        ...args: readonly unknown[]
      ) => Promise<unknown>;
      return await question({ ...params, doc: docOf(fileOf(model), ...recipe) }, env, task);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
