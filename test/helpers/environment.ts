/** The engine as one process, for tests of its questions and jobs. */
import { fingerprint } from "../../src/engine/files.ts";
import { createEnvironment } from "../../src/engine/environment.ts";
import { createComputing } from "../../src/engine/computing.ts";
import type { EngineEnv } from "../../src/engine/env.ts";
import type { JobTools } from "../../src/engine/jobs.ts";
import { openScratch } from "../../src/engine/scratch.ts";
import { loadKernels } from "../../src/engine/wasm.ts";
import type { Doc, Entry } from "../../src/shared/doc.ts";

/** @param pieceValues as in `EnvironmentOptions` */
export const testEnvironment = (folder: string, pieceValues?: number): EngineEnv =>
  createEnvironment({
    scratch: openScratch(`${folder}/scratch`),
    kernels: loadKernels(),
    build: "test",
    computing: createComputing(1),
    ...(pieceValues === undefined ? {} : { pieceValues }),
  });

/** What jobs are given. */
export function testTools(folder: string): JobTools {
  const scratch = openScratch(`${folder}/scratch`);
  return { env: testEnvironment(folder), scratch, toolVersion: "test", build: "test", threads: 1 };
}

export const docOf = (path: string, ...recipe: Entry[]): Doc => ({
  base: { path, fingerprint: fingerprint(path) },
  recipe,
});
