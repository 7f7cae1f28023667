/**
 * Brings a model to a newer operator set, rewriting each node whose operator changed on the way, so
 * that outputs stay the same.
 *
 * Use it when a technique or a runtime asks for a newer set: per-channel QuantizeLinear needs 13,
 * 4-bit types 21. Raising the number alone changes what Softmax, Dropout or Add compute. All or
 * nothing: one operator without a way (experimental ones, Scan of 8, per-position BatchNormalization)
 * and the model stays as it is, with each such node named.
 *
 * ONNX: Operator Changelog (docs/Changelog.md) and Versioning (docs/Versioning.md).
 */
import { plural } from "../../shared/format.ts";
import { NEWEST_OPSET } from "../../core/opset/operators.ts";
import { planUpgrade, upgradeOpset } from "../../core/opset/upgrade.ts";
import { defineTransform } from "../../core/plugin.ts";
import { number } from "../../shared/params.ts";
import { exactSize } from "../../shared/report.ts";
import { countOps } from "./lib/facts.ts";

const NAME = "operator set";

export default defineTransform({
  meta: {
    id: "graph.upgradeOpset",
    title: "Upgrade the operator set",
    summary: "Rewrites operators as a newer ONNX operator set has them; outputs stay the same.",
    papers: ["ONNX Operator Changelog"],
    formats: ["onnx"],
    ops: "any",
    data: "none",
    cost: "instant",
    exact: true,
    warnings: ["Nothing gets smaller or faster by itself; other techniques need it."],
    covers: [],
    version: 1,
    suffix: "opset",
    api: 1,
    needsRuntime: false,
    params: {
      target: number({
        title: "Operator set",
        help: "The version of ai.onnx to arrive at; 13 is enough for 8 bits per channel, 21 for 4-bit types.",
        default: 21,
        min: 7,
        max: NEWEST_OPSET,
        integer: true,
      }),
    },
  },

  plan(model, { target }) {
    const { from, to, graphs, refused, addedBytes } = planUpgrade(model, target);
    if (refused.length > 0) return { units: [], skipped: refused };
    if (from > target) {
      const reason = `the model has ${from}; an operator set is never lowered`;
      return { units: [], skipped: [{ name: NAME, reason }] };
    }
    if (from === to) return { units: [], skipped: [] };
    const nodes = graphs.flatMap(({ rewrites }) => rewrites.map(({ node }) => node));
    const changed =
      nodes.length === 0 ? "no node changes" : `${plural(nodes.length, "node")} rewritten`;
    return {
      units: [
        {
          name: NAME,
          graph: [],
          nodes,
          tensors: [],
          sizeBefore: 0,
          sizeAfter: exactSize(addedBytes),
          detail: `${from} → ${to}, ${changed}${nodes.length === 0 ? "" : `: ${countOps(nodes)}`}`,
        },
      ],
      skipped: [],
    };
  },

  async apply(tx, _unit, { target }) {
    const [refusal] = await upgradeOpset(tx, target);
    return refusal;
  },
});
