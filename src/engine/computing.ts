/** What only a child with onnxruntime can compute with; one place, for the job child and for tests. */
import { createBlas } from "./blas.ts";
import type { Computing } from "./environment.ts";
import { evaluateConstant } from "./evaluateConstant.ts";
import { probeRounding } from "./probe.ts";
import { openStatistics, STATISTICS_BUDGET_BYTES } from "./statistics/statistics.ts";

/**
 * @param threads 0 is all cores
 * @param budgetBytes memory for the sums and captured values of one pass over calibration data
 */
export const createComputing = (
  threads: number,
  budgetBytes: number = STATISTICS_BUDGET_BYTES,
): Computing => {
  const blas = createBlas(threads);
  return {
    evaluateConstant,
    blas,
    probe: (scene, ...what) => probeRounding({ ...scene, threads }, ...what),
    openStatistics: (scene) => openStatistics(scene, { threads, budgetBytes, blas }),
  };
};
