/** The kernels in plain TypeScript: what the SIMD versions are checked against, and what runs without them. */
import type { Kernels } from "../shared/kernels.ts";
import { blockSpace, quantizeBlocksKN, quantizeBlocksNK } from "./blockQuantize.ts";
import { fromF32, toF32 } from "./codecs.ts";

export const referenceKernels: Kernels = {
  blockSpace,
  toF32,
  fromF32,
  quantizeBlocksKN,
  quantizeBlocksNK,
};
