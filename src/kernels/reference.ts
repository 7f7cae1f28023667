/** The kernels in plain TypeScript: what the SIMD versions are checked against, and what runs without them. */
import type { Kernels } from "../shared/kernels.ts";
import { quantizeBlocksKN, quantizeBlocksNK } from "./blockQuantize.ts";
import { fromF32, toF32 } from "./codecs.ts";

export const referenceKernels: Kernels = { toF32, fromF32, quantizeBlocksKN, quantizeBlocksNK };
