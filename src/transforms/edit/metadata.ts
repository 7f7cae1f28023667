/**
 * Sets or removes one entry of a model's metadata: `metadata_props` of ONNX, `__metadata__` of
 * safetensors.
 *
 * Runtimes and tools read labels, tokenizers, licences or preprocessing from there. Weights and graph
 * stay as they are. The key of Lathe's own recipe is refused, since it is written at every save; the
 * producer's name and documentation strings are no metadata and stay as they are.
 *
 * ONNX IR specification, "Optional Metadata"; safetensors format, "__metadata__".
 */
import { defineTransform } from "../../core/plugin.ts";
import { RECIPE_METADATA_KEY } from "../../shared/doc.ts";
import { choice, text } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";

export default defineTransform({
  meta: {
    id: "edit.metadata",
    title: "Edit metadata",
    summary: "Sets or removes an entry of the model's metadata; everything else stays.",
    papers: ["ONNX IR specification"],
    formats: ["onnx", "safetensors"],
    ops: "any",
    data: "none",
    cost: "instant",
    exact: true,
    warnings: [],
    covers: [],
    version: 1,
    suffix: "meta",
    api: 1,
    needsRuntime: false,
    params: {
      key: text({
        title: "Key",
        help: "Name of the entry, such as license or labels.",
        default: "",
        maxLength: 1000,
      }),
      value: text({
        title: "Value",
        help: "What the entry says from now on; not used when it is removed.",
        default: "",
        maxLength: 100_000,
      }),
      action: choice({
        title: "Action",
        help: "Set the entry, or remove it.",
        of: ["set", "remove"],
        default: "set",
      }),
    },
  },

  plan(model, { key, value, action }) {
    const refuse = (reason: string): { units: []; skipped: Skip[] } => ({
      units: [],
      skipped: [{ name: key === "" ? "metadata" : key, reason }],
    });
    if (key === "") return refuse("no key is given");
    if (key === RECIPE_METADATA_KEY)
      return refuse("the recipe is written by Lathe itself at every save");
    const before = model.meta.get(key);
    if (action === "remove" && before === undefined) return refuse("there is no such entry");
    if (action === "set" && before === value) return { units: [], skipped: [] };
    const shown = before === undefined ? "" : `${short(before)} → `;
    return {
      units: [
        {
          name: key,
          graph: [],
          nodes: [],
          tensors: [],
          sizeBefore: 0,
          sizeAfter: exactSize(0),
          detail: `${shown}${action === "remove" ? "removed" : short(value)}`,
        },
      ],
      skipped: [],
    };
  },

  async apply(tx, _unit, { key, value, action }) {
    tx.setMeta(key, action === "remove" ? null : value);
    await Promise.resolve();
  },
});

const short = (value: string): string =>
  JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
