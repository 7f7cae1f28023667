/** What only a child with onnxruntime can compute with; one place, for the job child and for tests. */
import { createBlas } from "./blas.ts";
import type { Computing } from "./environment.ts";
import { evaluateConstant } from "./evaluateConstant.ts";
import { openStatistics } from "./statistics/statistics.ts";

/** @param threads 0 is all cores */
export const createComputing = (threads: number): Computing => ({
  evaluateConstant,
  blas: createBlas(threads),
  openStatistics: (scene) => openStatistics(scene, { threads }),
});
