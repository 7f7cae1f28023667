/**
 * Measures the mean and variance that each BatchNormalization stores anew, on calibration data.
 *
 * Use it after pruning, factoring or rounding weights: their outputs' means and scales have moved
 * while the stored statistics have not. After other steps of the same recipe only the difference to
 * the original model is applied, so that what the calibration samples lack against the training set
 * does not count; on a model as opened the data's own statistics are stored. Layer by layer in order,
 * each on inputs that are corrected already. Refused by name: training mode, computed parameters,
 * inputs with NaN, a single value per channel.
 *
 * Li et al. 2020, section 3.2 (arXiv:2007.02491); Sun et al. 2019 (arXiv:1901.08541).
 */
import { floatAttr } from "../../core/attributes.ts";
import { MAIN } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import {
  measureReferences,
  normSites,
  remeasure,
  storeStatistics,
  type NormSite,
  type References,
} from "../../core/repair/batchNorm.ts";
import { scopeOf } from "../../core/scope.ts";
import type { Skip } from "../../shared/report.ts";

interface NormUnit extends Unit {
  readonly site: NormSite;
}

export default defineTransform({
  meta: {
    id: "repair.batchNorm",
    title: "Measure batch normalization anew",
    summary: "Measures the statistics of BatchNormalization anew on calibration data.",
    papers: ["arXiv:2007.02491", "arXiv:1901.08541"],
    formats: ["onnx"],
    ops: ["BatchNormalization"],
    data: "required",
    cost: "seconds",
    exact: false,
    warnings: [
      "Helps only where something changed the layers before; on a trained model as it is, it can cost accuracy.",
    ],
    covers: [],
    version: 1,
    suffix: "bnfix",
    api: 1,
    needsRuntime: true,
    params: {},
  },

  plan(model) {
    const { sites, skipped } = normSites(model);
    const scope = scopeOf(model);
    const units = sites.map((site): NormUnit => {
      const tensors = site.parameters.slice(2);
      const written = tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      // What other nodes use stays beside the new values.
      const replaced = tensors.filter(
        ({ name }, i) => site.node.inputs[i + 3] === name && scope.uses(MAIN, name).length === 1,
      );
      return {
        name: site.name,
        site,
        graph: MAIN,
        nodes: [site.node],
        tensors,
        sizeBefore: replaced.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        sizeAfter: { min: written, max: written },
        detail: `mean and variance of ${tensors[0]?.shape[0] ?? 0} channels`,
      };
    });
    return { units, skipped };
  },

  async prepare(model, units, _params, ctx): Promise<References> {
    // Without a step before there is nothing to compare with.
    if (model === ctx.base) return new Map();
    const sites = units.map(({ site }) => site);
    return measureReferences(sites, { state: "base", model: ctx.base }, ctx);
  },

  async apply(tx, unit, _params, ctx, references): Promise<Skip | undefined> {
    const { name } = unit;
    const site = normSites(tx.model).sites.find((one) => one.name === name);
    if (!site) return { name, reason: "it is not there any more" };
    const values = await remeasure(site, references, ctx);
    if (typeof values === "string") return { name, reason: values };
    const [, , oldMean, oldVariance] = site.parameters;
    if (!oldMean || !oldVariance) return { name, reason: "its parameters are computed" };
    const [mean, variance] = [await ctx.readF32(oldMean), await ctx.readF32(oldVariance)];
    // In units of the deviation that the layer divides by: less cannot be told from rounding.
    const epsilon = floatAttr(site.node, "epsilon") ?? 1e-5;
    const far = values.mean.some((x, i) => {
      const divisor = Math.max((variance[i] ?? 0) + epsilon, 1e-12);
      const moved = Math.abs(x - (mean[i] ?? 0)) / Math.sqrt(divisor);
      const widened = Math.abs((values.variance[i] ?? 0) - (variance[i] ?? 0)) / divisor;
      return moved > 1e-3 || widened > 1e-3;
    });
    if (!far) return { name, reason: "its statistics are what they should be" };
    await storeStatistics(tx, site, values, ctx);
    return undefined;
  },
});
