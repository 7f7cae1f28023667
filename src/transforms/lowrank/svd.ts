/**
 * Replaces the matrix of a linear layer by the product of two thin ones, of the rank that a share of
 * the parameters, of the energy or a number allows: W ≈ (U_r·√Σ_r)·(√Σ_r·V_rᵀ).
 *
 * Use it for wide layers of token models and classifier heads, where r·(K + N) is well below K·N;
 * products get faster in the same measure. `whitened` weighs the error by what goes into the layer and
 * fits the layers one after the other to what the original gives: at 40 % of the parameters of a small
 * language model its perplexity is 6.07 where `plain` has 7.0 and the whole model 5.6. A text encoder
 * is different: at 60 % it keeps 83.8 % accuracy, `plain` 86.1 (87.1 whole), since its later layers read
 * directions in which little varies; a smaller `weighting` comes near `plain` there (0.25, all at once:
 * 85.9), a larger one loses more (1: 81.0). Layers that make the model's outputs are kept whole unless
 * asked: factoring the small head of that language model alone at 80 % costs as much as all 28 layers
 * of its blocks. The bias stays on the second factor. MatMul with a constant right operand,
 * Gemm and 1×1 Conv of one group; a weight that several nodes use is factored once. Larger kernels,
 * groups, weights that something else needs, weights with NaN, ranks that would not make the layer
 * smaller, and layers whose factoring would take more than 4 GB of memory are skipped by name.
 *
 * Eckart and Young 1936; Sainath et al. 2013; Wang et al. 2024 (SVD-LLM, arXiv:2403.07378).
 */
import { nodeLabel, type GraphNode } from "../../core/model.ts";
import { withUniqueNames, type Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { readF64 } from "../../core/rows.ts";
import type { NewAttribute, NewNode } from "../../core/step.ts";
import { transpose } from "../../kernels/linalg/matrix.ts";
import type { MatrixF64 } from "../../shared/kernels.ts";
import { choice, number, type ParamsOf } from "../../shared/params.ts";
import { exactSize } from "../../shared/report.ts";
import { findCandidates, type Candidate } from "./lib/candidates.ts";
import { momentsFor, needsOf, type LastMoments } from "./lib/moments.ts";
import { factorize, factorizingBytes, largestUsefulRank, type RankRule } from "./lib/factors.ts";

const params = {
  mode: choice({
    title: "Error that is least",
    help: "plain: of the weight, no data; whitened: of the layer's output, on calibration data.",
    of: ["plain", "whitened"],
    default: "plain",
  }),
  order: choice({
    title: "Layers",
    help: "sequential: each on what the layers before it have become, aimed at the original's results, one pass over the data each; parallel: all on the activations of the original, one pass. Only for whitened.",
    of: ["sequential", "parallel"],
    default: "sequential",
  }),
  weighting: number({
    title: "Weight of the inputs",
    help: "1 weighs errors by what goes into the layer, near 0 as plain does; 0.25 where layers after it read directions in which little varies, as classifiers of texts do. Only for whitened.",
    default: 0.5,
    min: 0.01,
    max: 1,
  }),
  rankBy: choice({
    title: "Rank by",
    help: "ratio: a share of each layer's parameters; energy: a share of the squared singular values; rank: a number.",
    of: ["ratio", "energy", "rank"],
    default: "ratio",
  }),
  ratio: number({
    title: "Parameters kept",
    help: "Share of each layer's parameters that both factors together have.",
    default: 0.8,
    min: 0.01,
    max: 0.99,
    search: [0.8, 0.6, 0.4],
  }),
  energy: number({
    title: "Energy kept",
    help: "Share of the squared singular values that is kept.",
    default: 0.95,
    min: 0.01,
    max: 1,
  }),
  rank: number({
    title: "Rank",
    help: "Width of the layer between the two factors.",
    default: 64,
    min: 1,
    max: 65536,
    integer: true,
  }),
  head: choice({
    title: "Output layers",
    help: "keep leaves the layers whose results are the model's outputs whole: errors there reach every prediction.",
    of: ["keep", "factor"],
    default: "keep",
  }),
  damping: number({
    title: "Damping",
    help: "Added to the input statistics' diagonal, relative to its mean; only for whitened.",
    default: 0.00001,
    min: 0,
    max: 1,
  }),
} as const;
type SvdParams = ParamsOf<typeof params>;

interface SvdUnit extends Unit {
  readonly candidate: Candidate;
  readonly rule: RankRule;
}

export default defineTransform({
  meta: {
    id: "lowrank.svd",
    title: "Factor matrices (SVD)",
    summary:
      "Replaces the matrix of a MatMul, Gemm or 1×1 Conv by two thin ones, the best product of their rank.",
    papers: ["arXiv:2403.07378", "10.1109/ICASSP.2013.6638949"],
    formats: ["onnx"],
    ops: ["MatMul", "Gemm", "Conv"],
    data: "optional",
    cost: "seconds",
    exact: false,
    warnings: [
      "Trained transformer weights have flat spectra: below half of the parameters expect a loss, and compare with 4-bit weights.",
      "Convolutions with larger kernels stay as they are.",
      "Whitened is not always better: a text encoder at 60 % kept 83.8 % accuracy where plain kept 86.1; compare.",
    ],
    covers: ["lowrank-svd", "lowrank-svdllm", "lowrank-sainath", "rank-energy"],
    version: 2,
    suffix: "svd",
    api: 1,
    needsRuntime: true,
    params,
  },

  plan(model, params) {
    const { candidates, skipped } = findCandidates(model, params.head === "keep");
    const units: SvdUnit[] = [];
    const skips = [...skipped];
    for (const candidate of candidates) {
      const unit = planUnit(candidate, params);
      if (typeof unit !== "string") units.push(unit);
      else
        for (const { path, node } of candidate.weight.sites)
          skips.push({ name: nodeLabel(path, node), reason: unit });
    }
    return { units: withUniqueNames(units), skipped: skips };
  },

  prepare: () => Promise.resolve<LastMoments>({ input: null, moments: null }),

  async apply(tx, { candidate, rule, name }, params, ctx, last) {
    const { weight, k, n, stored } = candidate;
    const matrix = await readF64(ctx, weight.tensor, stored === "nk");
    if (!matrix) return { name, reason: `its weight "${weight.name}" has NaN or infinite values` };
    const most = largestUsefulRank(k, n);
    const factors = await factorize(ctx.blas, matrix, {
      rule,
      moments:
        params.mode === "whitened" ? await momentsFor(ctx, candidate, params.order, last) : null,
      damping: params.damping,
      weighting: params.weighting,
      most,
      seed: ctx.seed,
    });
    if (factors === null)
      return {
        name,
        reason: `${params.energy * 100} % of its energy need a rank above ${most}, from which [${k}, ${n}] has fewer parameters whole`,
      };
    if (typeof factors === "string") return { name, reason: factors };
    await replaceSites(tx, candidate, factors, (matrix) =>
      ctx.kernels.fromF32(weight.tensor.dtype, Float32Array.from(matrix.data)),
    );
    return undefined;
  },
});

/** A layer that would take more memory is left alone: [4096, 24576] at any rank is not, and takes minutes. */
const MAX_WORK_BYTES = 2 ** 32;
const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** The unit, or why the layer stays as it is. */
function planUnit(candidate: Candidate, params: SvdParams): SvdUnit | string {
  const { weight, k, n } = candidate;
  const { tensor, sites } = weight;
  const most = largestUsefulRank(k, n);
  if (most < 1) return `[${k}, ${n}] is too thin for two factors`;
  if (params.mode === "whitened" && sites.some(({ path }) => path.length > 0))
    return "activations inside bodies of If, Loop and Scan are not measured";
  const rule = ruleOf(candidate, params);
  if (rule.kind === "rank" && rule.rank < 1)
    return `${params.ratio} of [${k}, ${n}] is less than rank 1`;
  if (rule.kind === "rank" && rule.rank > most)
    return `rank ${rule.rank} of [${k}, ${n}] has ${rule.rank * (k + n)} parameters, the whole matrix ${k * n}`;
  const workBytes = factorizingBytes(k, n, rule, params.mode === "whitened");
  if (workBytes > MAX_WORK_BYTES)
    return `factoring [${k}, ${n}] ${rule.kind === "rank" ? `to rank ${rule.rank} ` : ""}would take ${gigabytes(workBytes)} of memory, more than ${gigabytes(MAX_WORK_BYTES)}`;
  const perRank = ((k + n) * tensor.dtype.bits) / 8;
  const [first] = sites;
  return {
    name: nodeLabel(first.path, first.node),
    graph: weight.graph.path,
    nodes: sites.map(({ node }) => node),
    tensors: [tensor],
    sizeBefore: tensor.sizeBytes,
    sizeAfter:
      rule.kind === "rank" ? exactSize(rule.rank * perRank) : { min: perRank, max: most * perRank },
    detail: `[${k}, ${n}] ${tensor.dtype.name} → rank ${rule.kind === "rank" ? rule.rank : `≤ ${most}`}${sites.length > 1 ? `, used ${sites.length} times` : ""}`,
    ...(params.mode === "whitened"
      ? { needs: sites.flatMap((site) => needsOf(site, params.order)) }
      : {}),
    candidate,
    rule,
  };
}

function ruleOf({ k, n }: Candidate, { rankBy, ratio, energy, rank }: SvdParams): RankRule {
  if (rankBy === "energy") return { kind: "energy", share: energy };
  return { kind: "rank", rank: rankBy === "rank" ? rank : Math.floor((ratio * k * n) / (k + n)) };
}

async function replaceSites(
  tx: Transaction,
  { weight, stored }: Candidate,
  factors: { readonly down: MatrixF64; readonly up: MatrixF64 },
  encode: (matrix: MatrixF64) => Uint8Array,
): Promise<void> {
  const { path } = weight.graph;
  // A weight behind a Transpose node is used as it comes out of it.
  const flipped = stored === "nk" && weight.sites[0].op !== "MatMul";
  const put = async (matrix: MatrixF64, suffix: string): Promise<string> => {
    const name = tx.uniqueName(path, weight.name + suffix);
    const asStored = flipped ? transpose(matrix) : matrix;
    const kernel = weight.sites[0].op === "Conv" ? weight.tensor.shape.slice(2) : [];
    const shape = [asStored.rows, asStored.cols, ...kernel];
    await tx.putTensor(path, { name, dtype: weight.tensor.dtype, shape }, encode(asStored));
    return name;
  };
  const down = await put(factors.down, "_down");
  const up = await put(factors.up, "_up");
  for (const { path: at, node } of weight.sites) {
    const between = tx.uniqueName(at, `${node.outputs[0] ?? ""}_down`);
    const [x = "", , ...bias] = node.inputs;
    const { op, domain, outputs } = node;
    const { first, second } = splitAttributes(node, flipped);
    const insert: NewNode[] = [
      { op, domain, name: "", inputs: [x, down], outputs: [between], attrs: first },
      { op, domain, name: node.name, inputs: [between, up, ...bias], outputs, attrs: second },
    ];
    tx.replaceNodes(at, { remove: [node], insert });
  }
  for (const { path: at, node } of weight.sites) tx.dropIfUnused(at, node.inputs[1] ?? "");
}

/** Attributes of the layer that reads the input, and of the one that makes the output. */
function splitAttributes(node: GraphNode, flipped: boolean): Record<"first" | "second", Attrs> {
  const pick = (...names: readonly string[]): Attrs =>
    Object.fromEntries(
      names.flatMap((name): [string, NewAttribute][] => {
        const attr = node.attrs[name];
        const known = attr && "value" in attr && attr.kind !== "tensor";
        return known ? [[name, attr]] : [];
      }),
    );
  if (node.op === "MatMul") return { first: {}, second: {} };
  if (node.op === "Conv")
    return {
      first: pick("kernel_shape", "strides", "pads", "auto_pad"),
      second: pick("kernel_shape"),
    };
  const transB: Attrs = flipped ? { transB: { kind: "int", value: 1 } } : {};
  return {
    first: { ...pick("transA"), ...transB },
    second: { ...pick("alpha", "beta"), ...transB },
  };
}
type Attrs = Readonly<Record<string, NewAttribute>>;
