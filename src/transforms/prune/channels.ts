/**
 * Removes whole channels, so that tensors, bytes and multiply-accumulates shrink: filters of
 * convolutions, neurons, positions of grouped convolutions, heads of attentions, with every weight
 * that has to shrink along.
 *
 * With calibration data (no labels), channels are chosen by the error that is left in the layers that
 * read them (OBS), those layers' weights are fitted to what they gave before (least squares against
 * the original activations), and the statistics of BatchNormalization are measured anew. Without
 * data, choose by weights; accuracy then falls much further. By default channels that a residual sum
 * joins stay. Refused by name: channels that reach an output of the model, operators that are not
 * understood, statistics with NaN, amounts that would leave nothing.
 *
 * Li et al. 2017 (arXiv:1608.08710); Liu et al. 2017 (arXiv:1708.06519); He et al. 2017
 * (arXiv:1707.06168); Frantar and Alistarh 2022 (arXiv:2208.11580); Fang et al. 2023 (arXiv:2301.12900).
 */
import type { WorkContext } from "../../core/context.ts";
import {
  findChannelGroups,
  type ChannelGroup,
  type ChannelGroups,
} from "../../core/groups/channelGroups.ts";
import { atomsAt, removalOf } from "../../core/groups/removal.ts";
import { shrink } from "../../core/groups/shrink.ts";
import {
  MAIN,
  mainGraph,
  nodeKey,
  type GraphNode,
  type Model,
  type Tensor,
} from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { normSites, reestimate } from "../../core/repair/batchNorm.ts";
import { obsRemoval } from "../../kernels/prune/obs.ts";
import { formatCompact } from "../../shared/format.ts";
import { choice, number, type ParamsOf } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import {
  channelsEach,
  countsFor,
  groupWithKey,
  MAX_RATIO,
  measure,
  shrunk,
  stepOf,
} from "./lib/amounts.ts";
import { linearReaders, obsReaders, readerData, refit, type ReaderData } from "./lib/readers.ts";
import { lowest, normsAfter, scoresOf, type Measure } from "./lib/scores.ts";

const params = {
  amount: number({
    title: "Amount",
    help: "Share that is removed: of each group's channels, or of what the target names.",
    default: 0.25,
    min: 0.01,
    max: MAX_RATIO,
    search: [0.125, 0.25, 0.375, 0.5],
  }),
  target: choice({
    title: "Amount of what",
    help: "The share counts channels of each group, or multiply-accumulates or parameters of the whole model; every group then loses the same share of channels.",
    of: ["channels", "macs", "parameters"],
    default: "channels",
  }),
  groups: choice({
    title: "Which groups",
    help: "Inside blocks: channels that a residual sum joins stay, since many layers depend on them. All: they go too.",
    of: ["insideBlocks", "all"],
    default: "insideBlocks",
  }),
  criterion: choice({
    title: "Criterion",
    help: "What decides which channels go: the error left after repair (obs, needs data), mean activation (needs data), the scale of BatchNormalization, or the norm of the weights. Auto is obs with data and l1 without.",
    of: ["auto", "obs", "activation", "batchNormScale", "l1", "l2"],
    default: "auto",
    search: ["auto"],
  }),
  repair: choice({
    title: "Repair",
    help: "Fits the weights of the layers that read the channels, and measures BatchNormalization anew. Auto does both where there is calibration data.",
    of: ["auto", "none", "leastSquares", "leastSquares+batchNorm"],
    default: "auto",
  }),
  roundTo: number({
    title: "Multiple",
    help: "Channels that are kept are a multiple of this, or of its half, quarter and so on in layers where a step would be over a quarter of all. 8 suits vector units; 1 removes exactly the share.",
    default: 8,
    min: 1,
    max: 64,
    integer: true,
  }),
};
type Params = ParamsOf<typeof params>;

interface PruneUnit extends Unit {
  /** Null: this unit measures BatchNormalization anew. */
  readonly group: { readonly key: string; readonly kept: number } | null;
  /** Names of BatchNormalizations that see changed inputs. */
  readonly norms: readonly string[];
  /** The model all units start from. */
  readonly before: Model;
}

export default defineTransform({
  meta: {
    id: "prune.channels",
    title: "Remove channels",
    summary:
      "Removes the channels that matter least, with all weights that depend on them, and repairs what reads them.",
    papers: [
      "arXiv:1608.08710",
      "arXiv:1708.06519",
      "arXiv:1707.06168",
      "arXiv:2208.11580",
      "arXiv:2301.12900",
    ],
    formats: ["onnx"],
    ops: ["Conv", "ConvTranspose", "Gemm", "MatMul"],
    data: "optional",
    cost: "minutes",
    exact: false,
    warnings: [
      "Channel counts that are no multiple of 8 may run slower than before in onnxruntime (a CIFAR-10 ResNet at 0.76 of the MACs: 1.11 of the time, with multiples of 8 0.79).",
    ],
    withoutData:
      "Without calibration data nothing is repaired and accuracy falls far: give it data, no labels are needed.",
    covers: [
      "structured-pruning",
      "structured-dependency",
      "prune-neuron-channel",
      "prune-filter-l1",
      "prune-filter-l2",
      "prune-bn-scale",
    ],
    version: 5,
    suffix: "pruned",
    api: 1,
    needsRuntime: true,
    params,
  },

  plan(model, params, isInScope = () => true) {
    const found = findChannelGroups(model);
    const skipped: Skip[] = [...found.skipped];
    const chosen = found.groups.filter((group) => {
      const reason = refusal(found, group, params);
      if (reason !== null) skipped.push({ name: group.name, reason });
      return reason === null;
    });
    const counts = countsFor(found, chosen, params);
    if (typeof counts === "string") {
      skipped.push({ name: "the target", reason: counts });
      return { units: [], skipped };
    }
    const units: PruneUnit[] = [];
    let current = model;
    for (const { key, name } of inOrder(chosen, model)) {
      // What stays as it is must not count as shrunk in the figures of the groups behind it.
      if (!isInScope(name)) continue;
      const now = groupWithKey(current, key);
      if (!now) continue;
      const [all, group] = now;
      const { length } = group.atoms;
      const kept = Math.min(length, counts.get(key) ?? length);
      if (kept === length) {
        const reason = `all ${kept} stay: less than half a step of ${stepOf(length, channelsEach(group), params.roundTo)} would go`;
        skipped.push({ name, reason });
        continue;
      }
      const [alone, alike] = [groupWithKey(model, key), shrunk(all, group, kept)];
      const biases = biasBytes(all.tracer.model, group, params);
      const most = alone ? shrunk(alone[0], alone[1], kept).stored : alike.stored;
      const [macs, macsAfter] = [measure(current, "macs"), measure(alike.model, "macs")];
      units.push({
        name,
        graph: MAIN,
        nodes: group.producers.map((use) => use.node),
        tensors: group.slices.map((slice) => slice.tensor.source.tensor),
        sizeBefore: alike.replaced + biases,
        sizeAfter: { min: alike.stored + biases, max: Math.max(most, alike.stored) + biases },
        detail: `${group.atoms.length} → ${kept} ${unitWord(group)}${
          macs === null || macsAfter === null
            ? ""
            : `, ${formatCompact(macs)} → ${formatCompact(macsAfter)} MACs`
        }`,
        group: { key, kept },
        norms: [],
        before: model,
      });
      current = alike.model;
    }
    const norms =
      params.repair === "none" || params.repair === "leastSquares"
        ? null
        : normUnit(current, model, units);
    return { units: norms ? [...units, norms] : units, skipped };
  },

  async apply(tx, unit, params, ctx) {
    if (unit.group) return pruneGroup(tx, unit, unit.group, params, ctx);
    if (ctx.data === null && params.repair === "auto")
      return { name: unit.name, reason: "measuring them anew needs calibration data" };
    const failed = await reestimate(tx, new Set(unit.norms), ctx, {
      state: "before",
      model: unit.before,
    });
    const [first] = failed;
    return first ? { name: unit.name, reason: `${first.name}: ${first.reason}` } : undefined;
  },
});

/** Channels that go one by one, or so many at once: the heads of an attention. */
function unitWord(group: ChannelGroup): string {
  const each = channelsEach(group);
  return each === 1 ? "channels" : `units of ${each} channels`;
}

/** Why a group stays as it is, as far as a plan can know; null when it may shrink. */
function refusal(
  found: ChannelGroups,
  group: ChannelGroup,
  { groups, criterion }: Params,
): string | null {
  if (groups === "insideBlocks" && group.residual)
    return `a residual sum joins its channels with others (groups "all" removes these too)`;
  if (criterion === "batchNormScale" && normsAfter(found, group).length === 0)
    return "no BatchNormalization follows, so there is no scale to choose by";
  return null;
}

/** Those whose last reader comes first, first: a layer is fitted before its own outputs shrink. */
function inOrder(groups: readonly ChannelGroup[], model: Model): readonly ChannelGroup[] {
  const position = new Map(mainGraph(model).nodes.map((node, i) => [nodeKey(node), i]));
  const last = (group: ChannelGroup): number =>
    Math.max(...group.consumers.map(({ node }) => position.get(nodeKey(node)) ?? 0));
  return [...groups].sort((a, b) => last(a) - last(b));
}

/** Biases that take up what is left of the readers' means. */
function biasBytes(model: Model, group: ChannelGroup, { repair }: Params): number {
  if (repair === "none") return 0;
  return linearReaders(model, group).reduce(
    (sum, { layer }) => sum + (layer.bias?.tensor.sizeBytes ?? 0),
    0,
  );
}

/** The unit that measures the BatchNormalizations behind shrunken layers anew; null when there are none. */
function normUnit(after: Model, before: Model, units: readonly PruneUnit[]): PruneUnit | null {
  const changed = new Set(
    units.flatMap(({ group }) => {
      const found = group ? groupWithKey(before, group.key) : null;
      return found?.[1].consumers.flatMap(({ node }) => node.outputs) ?? [];
    }),
  );
  const nodes = new Set<GraphNode>();
  for (const node of mainGraph(after).nodes)
    if (node.inputs.some((name) => changed.has(name))) {
      nodes.add(node);
      for (const output of node.outputs) changed.add(output);
    }
  const sites = normSites(after).sites.filter(({ node }) => nodes.has(node));
  if (sites.length === 0) return null;
  const tensors = sites.flatMap(({ parameters }) => parameters.slice(2));
  const bytes = (list: Iterable<Tensor>): number =>
    [...list].reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  return {
    name: "BatchNormalization statistics",
    graph: MAIN,
    nodes: sites.map((site) => site.node),
    tensors,
    sizeBefore: bytes(new Set(tensors)),
    sizeAfter: exactSize(bytes(tensors)),
    detail: `mean and variance of ${sites.length} BatchNormalizations, measured on the calibration data`,
    group: null,
    norms: sites.map((site) => site.name),
    before,
  };
}

async function pruneGroup(
  tx: Transaction,
  unit: PruneUnit,
  { key, kept }: { readonly key: string; readonly kept: number },
  params: Params,
  ctx: WorkContext,
): Promise<Skip | undefined> {
  const now = groupWithKey(tx.model, key);
  if (!now) return { name: unit.name, reason: "it is not there any more after the groups before" };
  const [found, group] = now;
  const count = group.atoms.length - kept;
  if (count < 1) return { name: unit.name, reason: `it has ${group.atoms.length} left already` };
  const hasData = ctx.data !== null;
  const repairs = params.repair !== "none" && (hasData || params.repair !== "auto");
  const criterion = params.criterion === "auto" ? (hasData ? "obs" : "l1") : params.criterion;
  const readers = repairs || criterion === "obs" ? linearReaders(tx.model, group) : [];
  const data = await readerData(readers, unit.before, ctx);
  const removed = await choose(found, group, criterion, data, count, ctx);
  if (!removed)
    return {
      name: unit.name,
      reason: "its weights or activations have NaN or infinite values, so no channel can be chosen",
    };
  const replaced = new Map<string, Float32Array>();
  const removal = removalOf(found.tracer, new Set(atomsAt(group, removed)));
  if (params.repair !== "none")
    for (const reader of linearReaders(tx.model, group)) {
      const { bias, weight } = reader.layer;
      const own = repairs ? data.find((one) => one.reader.layer.node === reader.layer.node) : null;
      const fit = own ? await refit(own, new Set(removed), ctx) : null;
      if (fit) replaced.set(weight.name, fit.weight);
      if (!bias) continue;
      const values = fit?.bias ?? (await ctx.readF32(bias.tensor));
      const shift = fit?.shift?.length === values.length ? fit.shift : null;
      const moved = shift ? values.map((x, i) => x + (shift[i] ?? 0)) : values;
      const { dtype, shape } = bias.tensor;
      await tx.putTensor(
        MAIN,
        { name: bias.name, dtype, shape },
        ctx.kernels.fromF32(dtype, moved),
      );
    }
  await shrink(tx, removal, ctx, replaced);
  return undefined;
}

/** Positions of the atoms that go; null where NaN leaves no choice. */
async function choose(
  found: ChannelGroups,
  group: ChannelGroup,
  criterion: Measure | "obs",
  data: readonly ReaderData[],
  count: number,
  ctx: WorkContext,
): Promise<readonly number[] | null> {
  // Readers that are no linear layers, or too wide, leave the choice to activations.
  if (criterion !== "obs" || data.length === 0)
    return lowest(
      await scoresOf(found, group, criterion === "obs" ? "activation" : criterion, ctx),
      count,
    );
  const result = await obsRemoval(ctx.blas, obsReaders(data), count, DAMPING, async (done) => {
    ctx.progress(done);
    await ctx.checkpoint();
  });
  return result.ok ? result.removed : null;
}
/** Relative to the mean of the Gram's diagonal. */
const DAMPING = 1e-4;
