/**
 * Rounds the weights of matrix products and LSTMs to 8 bit and measures the range of their activations
 * anew on every run, so that they compute on integers without calibration data.
 *
 * Calibration data, where there is any, decides how the weights of LSTMs are rounded (GPTQ: 32.4 and
 * 34.8 dB instead of 30.2 and 25.3 on the halves of a recording that were not calibrated on). Matrix
 * products gained 0.06 and 0.05 dB from it on the same model, and are rounded to nearest.
 *
 * One symmetric scale per output channel (LSTM: per gate row, 26.8 dB instead of 14.1 on a real
 * denoiser), one asymmetric scale per run for the activations. Use it for transformers and recurrent
 * models; embedding tables are stored with one scale per row. Convolutions are skipped: with ranges
 * measured on every run they were 2.9 to 12 times slower than float on seven models. GRU and RNN have
 * no integer kernel and are skipped by name too.
 *
 * Krishnamoorthi 2018 (arXiv:1806.08342), section 3; Yao et al. 2022 (arXiv:2206.01861); Frantar et
 * al. 2022 (arXiv:2210.17323).
 */
import { nodeLabel, type GraphPath, type Model } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import type { WorkContext } from "../../core/context.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { isFinite } from "../../core/rows.ts";
import { scopeOf, type ScopeIndex } from "../../core/scope.ts";
import { dtype } from "../../shared/dtype.ts";
import { choice } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import { matrixSize } from "./lib/blocks.ts";
import { int, standard } from "./lib/nodes.ts";
import { findRecurrent, recurrentBytes, writeRecurrent, type Recurrent } from "./lib/recurrent.ts";
import { recurrentMoments, type RecurrentMoments } from "./lib/recurrentMoments.ts";
import { betaOf } from "./lib/storage.ts";
import { putRounded } from "./lib/rounded.ts";
import { putValues, tableBytes, writeTable } from "./lib/tables.ts";
import { sourceOf } from "../../core/weightSource.ts";
import { findWeights, type Site, type Weight } from "./lib/weights.ts";

type Work =
  | { readonly kind: "product"; readonly weight: Weight; readonly sites: readonly Site[] }
  | { readonly kind: "table"; readonly site: Site }
  | { readonly kind: "recurrent"; readonly layer: Recurrent };
interface DynamicUnit extends Unit {
  readonly work: Work;
}
/** Outputs of the DynamicQuantizeLinear of each value, by graph and value. */
type Rounded = Map<string, readonly [codes: string, scale: string, zero: string]>;
interface Prepared {
  readonly rounded: Rounded;
  readonly moments: ReadonlyMap<Recurrent, RecurrentMoments>;
}

export default defineTransform({
  meta: {
    id: "quantize.dynamic",
    title: "Quantize with ranges at run time",
    summary:
      "Rounds weights of matrix products and LSTMs to 8 bit, and activations on every run; data is optional and helps LSTMs.",
    papers: ["arXiv:1806.08342", "arXiv:2206.01861", "arXiv:2210.17323"],
    formats: ["onnx"],
    ops: ["MatMul", "Gemm", "LSTM", "Gather"],
    data: "optional",
    cost: "seconds",
    exact: false,
    warnings: [
      "Convolutions stay float: with ranges measured on every run they get slower.",
      "LSTM becomes an operator of onnxruntime; other runtimes cannot load it.",
    ],
    covers: ["ptq-dynamic", "lstm-quant", "zeroquant"],
    version: 3,
    suffix: "dyn",
    api: 1,
    needsRuntime: true,
    params: {
      embedding: choice({
        title: "Embedding tables",
        help: "8 bit with one scale per row, or keep them float.",
        of: ["8", "keep"],
        default: "8",
      }),
      rounding: choice({
        title: "Rounding of LSTMs",
        help: "By the error on calibration data (GPTQ), or to nearest; without data always to nearest.",
        of: ["calibrated", "nearest"],
        default: "calibrated",
      }),
    },
  },

  plan(model, { embedding, rounding }) {
    const { weights, skipped } = findWeights(model, embedding === "8");
    const recurrent = findRecurrent(model);
    const scope = scopeOf(model);
    const opset = model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
    const units: DynamicUnit[] = [];
    // LSTM is looked at here, not there.
    const lstm = new Set([
      ...recurrent.skipped.map(({ name }) => name),
      ...recurrent.layers.flatMap(({ sites }) =>
        sites.map(({ path, node }) => nodeLabel(path, node)),
      ),
    ]);
    const others = skipped.filter(({ name, reason }) => reason !== RECURRENT || !lstm.has(name));
    const skips: Skip[] = [...others.map((skip) => asDynamic(model, skip)), ...recurrent.skipped];
    for (const weight of weights) {
      const reason = refusal(weight, opset);
      if (reason === null) units.push(...weightUnits(weight));
      else
        for (const { path, node } of weight.sites)
          skips.push({ name: nodeLabel(path, node), reason });
    }
    for (const layer of recurrent.layers)
      units.push(recurrentUnit(scope, recurrent.layers, layer, rounding));
    return { units: inFileOrder(model, units), skipped: skips };
  },

  async prepare(model, units, { rounding }, ctx): Promise<Prepared> {
    const layers = units.flatMap(({ work }) => (work.kind === "recurrent" ? [work.layer] : []));
    const calibrated = rounding === "calibrated" && ctx.data !== null;
    const moments = await recurrentMoments(ctx, model, calibrated ? layers : []);
    return { rounded: new Map(), moments };
  },

  async apply(tx, unit, _params, ctx, { rounded, moments }) {
    const { work, name } = unit;
    if (work.kind === "recurrent") {
      const reason = await writeRecurrent(
        tx,
        ctx,
        work.layer,
        moments.get(work.layer) ?? [null, null],
      );
      return reason === null ? undefined : { name, reason };
    }
    const [tensor] = unit.tensors;
    if (!tensor) return undefined;
    if (!(await isFinite(ctx, tensor)))
      return { name, reason: `its weight "${tensor.name}" has NaN or infinite values` };
    if (work.kind === "table") {
      const source = sourceOf(scopeOf(tx.model), work.site.path, work.site.node.inputs[0] ?? "");
      if (source) await writeTable(tx, ctx, work.site.path, work.site.node, source);
      return undefined;
    }
    await writeProduct(tx, ctx, work, rounded);
    return undefined;
  },
});

/** What `findWeights` says of layers that have their own form, or their own reason, here. */
const RECURRENT = "recurrent weights have no weight-only product";
function asDynamic(model: Model, { name, reason }: Skip): Skip {
  if (reason.startsWith("weights of Conv "))
    return {
      name,
      reason:
        "a convolution with ranges measured on every run is 2.9 to 12 times slower than float",
    };
  if (reason !== RECURRENT) return { name, reason };
  const op = [...model.graphs.values()]
    .flatMap(({ path, nodes }) => nodes.filter((node) => nodeLabel(path, node) === name))
    .map((node) => node.op)
    .join();
  return { name, reason: `recurrent weights of ${op} have no integer kernel in onnxruntime` };
}

function refusal({ tensor }: Weight, opset: number): string | null {
  if (tensor.dtype.name !== "float32")
    return `its weight is ${tensor.dtype.name}; integer products are made from float32`;
  // DynamicQuantizeLinear came with 11.
  return opset >= 11
    ? null
    : `DynamicQuantizeLinear needs opset 11, the model has ${opset}; graph.upgradeOpset raises it`;
}

function weightUnits(weight: Weight): DynamicUnit[] {
  const { tensor, graph, sites, keptBy } = weight;
  const shape = `[${tensor.shape.join(", ")}] float32`;
  const tables = sites.filter(({ op }) => op === "Gather");
  const groups = [false, true]
    .map((transposed) =>
      sites.filter((site) => site.op !== "Gather" && site.transposed === transposed),
    )
    .filter(([first]) => first !== undefined);
  const units: DynamicUnit[] = [];
  const add = (
    site: Site,
    nodes: readonly Site[],
    bytes: number,
    detail: string,
    work: Work,
  ): void => {
    units.push({
      name: nodeLabel(site.path, site.node),
      graph: graph.path,
      nodes: nodes.map(({ node }) => node),
      tensors: [tensor],
      sizeBefore: keptBy === null && units.length === 0 ? tensor.sizeBytes : 0,
      sizeAfter: exactSize(bytes),
      detail: `${shape} → ${detail}`,
      work,
    });
  };
  for (const site of tables) {
    const [rows = 1, columns = 1] = tensor.shape;
    const size = site.transposed ? tableBytes(rows, columns) : tableBytes(columns, rows);
    add(site, [site], size, "8 bit, a scale per row", { kind: "table", site });
  }
  for (const group of groups) {
    const [first] = group;
    if (!first) continue;
    const { n, k } = matrixSize(tensor, first.transposed);
    const used = group.length > 1 ? `, used ${group.length} times` : "";
    add(
      first,
      group,
      n * k + 4 * n * scaleSets(group).length + 4 * scaledBiases(group),
      `8 bit${used}`,
      {
        kind: "product",
        weight,
        sites: group,
      },
    );
  }
  return units;
}

/** Gemm's alpha goes into the scales: one set for each. */
const scaleSets = (sites: readonly Site[]): number[] => [
  ...new Set(sites.map(({ alpha }) => alpha)),
];

const scaledBiases = (sites: readonly Site[]): number =>
  sites.filter(({ node }) => betaOf(node) !== 1 && betaOf(node) !== 0).length;

function recurrentUnit(
  scope: ScopeIndex,
  all: readonly Recurrent[],
  layer: Recurrent,
  rounding: "calibrated" | "nearest",
): DynamicUnit {
  const [site] = layer.sites;
  // A weight that several layers share goes with the last of them.
  const gone = layer.weights.reduce((sum, { graph, name, tensor }) => {
    const sharing = all.filter(({ weights }) => weights.some((w) => w.tensor === tensor));
    const users = sharing.reduce((count, { sites }) => count + sites.length, 0);
    const goes = sharing.at(-1) === layer && scope.uses(graph.path, name).length <= users;
    return sum + (goes ? tensor.sizeBytes : 0);
  }, 0);
  return {
    name: site ? nodeLabel(site.path, site.node) : "",
    graph: site?.path ?? [],
    nodes: layer.sites.map(({ node }) => node),
    tensors: layer.weights.map(({ tensor }) => tensor),
    sizeBefore: gone,
    sizeAfter: exactSize(recurrentBytes(layer)),
    detail: `${layer.weights.map(({ tensor }) => `[${tensor.shape.join(", ")}]`).join(" and ")} float32 → 8 bit, a scale per gate row${rounding === "calibrated" ? ", rounded on calibration data if there is any" : ""}`,
    work: { kind: "recurrent", layer },
  };
}

function inFileOrder(model: Model, units: readonly DynamicUnit[]): readonly DynamicUnit[] {
  const order = new Map(
    [...model.graphs.values()].flatMap(({ nodes }) => nodes).map((node, i) => [node, i]),
  );
  const at = ({ nodes: [first] }: DynamicUnit): number => (first ? (order.get(first) ?? 0) : 0);
  const counts = new Map<string, number>();
  return [...units]
    .sort((a, b) => at(a) - at(b))
    .map((unit) => {
      const seen = counts.get(unit.name) ?? 0;
      counts.set(unit.name, seen + 1);
      return seen === 0 ? unit : { ...unit, name: `${unit.name} (${seen + 1})` };
    });
}

/** DynamicQuantizeLinear → MatMulInteger → Cast → Mul, which onnxruntime runs as one kernel. */
async function writeProduct(
  tx: Transaction,
  ctx: WorkContext,
  { weight, sites }: Extract<Work, { kind: "product" }>,
  rounded: Rounded,
): Promise<void> {
  const home = weight.graph.path;
  const { transposed } = sites[0] ?? { transposed: false };
  const format = { bits: 8, perChannel: true, reduceRange: false } as const;
  const name = tx.uniqueName(home, `${weight.name}_q`);
  const { tensor } = weight;
  const stored = { tensor, transposed, axis: 1, factors: null } as const;
  const scales = await putRounded(tx, ctx, home, name, stored, format, () => 0);
  const scaleNames = new Map<number, string>();
  for (const alpha of scaleSets(sites)) {
    const scaleName = tx.uniqueName(home, `${name}_s`);
    scaleNames.set(alpha, scaleName);
    await putValues(
      tx,
      ctx,
      home,
      { name: scaleName, type: "float32", shape: [scales.length] },
      scales.map((s) => s * alpha),
    );
  }
  for (const site of sites) {
    const { path, node } = site;
    const [y = ""] = node.outputs;
    const fresh = (end: string): string => tx.uniqueName(path, y + end);
    const insert = [];
    const input = node.inputs[0] ?? "";
    const key = JSON.stringify([path, input]);
    let taken = rounded.get(key);
    if (!taken) {
      const [a, b, c] = ["_q", "_s", "_z"].map((end) => tx.uniqueName(path, input + end));
      taken = [a ?? "", b ?? "", c ?? ""];
      rounded.set(key, taken);
      insert.push(standard("DynamicQuantizeLinear", [input], taken));
    }
    const [sum, asFloat, scale] = [fresh("_i"), fresh("_f"), fresh("_s")];
    const bias = betaOf(node) === 0 || site.op !== "Gemm" ? "" : (node.inputs[2] ?? "");
    const product = bias === "" ? y : fresh("_mm");
    insert.push(
      standard("MatMulInteger", [taken[0], name, taken[2]], [sum]),
      { ...standard("Cast", [sum], [asFloat]), attrs: { to: int(dtype("float32").onnx ?? 1) } },
      standard("Mul", [taken[1], scaleNames.get(site.alpha) ?? ""], [scale]),
      { ...standard("Mul", [asFloat, scale], [product]), name: node.name },
    );
    if (bias !== "")
      insert.push(...(await biasNodes(tx, ctx, path, bias, betaOf(node), product, y)));
    tx.replaceNodes(path, { remove: [node], insert });
  }
  for (const { path, node, input } of sites) tx.dropIfUnused(path, node.inputs[input] ?? "");
}

async function biasNodes(
  tx: Transaction,
  ctx: WorkContext,
  path: GraphPath,
  bias: string,
  beta: number,
  product: string,
  output: string,
): Promise<ReturnType<typeof standard>[]> {
  if (beta === 1) return [standard("Add", [product, bias], [output])];
  const factor = tx.uniqueName(path, `${output}_beta`);
  await putValues(
    tx,
    ctx,
    path,
    { name: factor, type: "float32", shape: [] },
    Float32Array.of(beta),
  );
  const scaled = tx.uniqueName(path, `${output}_bias`);
  return [standard("Mul", [bias, factor], [scaled]), standard("Add", [product, scaled], [output])];
}
