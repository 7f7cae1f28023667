/**
 * Leaves only the part of a graph between given values: what is needed to compute some of them from
 * others.
 *
 * Use it to cut a backbone from its head, to look at one block alone, or to make a small file of what
 * a runtime refuses. Initializers, bodies of branches, functions and declared types that the part
 * needs come along, values that bodies take from outside too. An input that is needed but not named is
 * refused by name, as is an end whose type nobody declares and no rule infers.
 *
 * ONNX, `onnx.utils.extract_model`.
 */
import { planExtraction, type Extraction } from "../../core/extract.ts";
import { MAIN, mainGraph, type Model } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import type { NewValue } from "../../core/step.ts";
import { text } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";

interface ExtractUnit extends Unit {
  readonly part: Extraction;
}
const NAME = "subgraph";

export default defineTransform({
  meta: {
    id: "edit.extract",
    title: "Extract a subgraph",
    summary: "Leaves only what is needed to compute some values from others.",
    papers: ["ONNX, onnx.utils.extract_model"],
    formats: ["onnx"],
    ops: "any",
    data: "none",
    cost: "instant",
    exact: true,
    warnings: ["The result has other inputs or outputs than the model."],
    covers: [],
    version: 1,
    suffix: "part",
    api: 1,
    needsRuntime: false,
    params: {
      from: text({
        title: "From",
        help: "Values that become inputs, separated by commas; empty for the model's inputs that are needed.",
        default: "",
        maxLength: 10_000,
      }),
      to: text({
        title: "To",
        help: "Values that become outputs, separated by commas; empty for the model's outputs.",
        default: "",
        maxLength: 10_000,
      }),
    },
  },

  plan(model, { from, to }) {
    const refuse = (skip: Skip): { units: ExtractUnit[]; skipped: Skip[] } => ({
      units: [],
      skipped: [skip],
    });
    if (from === "" && to === "")
      return refuse({ name: NAME, reason: "neither its inputs nor its outputs are named" });
    const part = planExtraction(model, valuesIn(from, model), valuesIn(to, model));
    if ("reason" in part) return refuse(part);
    const untyped = [...part.inputs, ...part.outputs].find((name) => !isTyped(model, name));
    if (untyped !== undefined)
      return refuse({
        name: untyped,
        reason: "its type is neither declared nor can it be inferred, and ends of a graph need one",
      });
    const main = mainGraph(model);
    const isWhole =
      part.nodes.length + part.tensors.length === 0 &&
      sameNames(part.inputs, main.inputs) &&
      sameNames(part.outputs, main.outputs);
    if (isWhole) return refuse({ name: NAME, reason: "it is the whole model" });
    const unit: ExtractUnit = {
      name: NAME,
      graph: MAIN,
      nodes: part.nodes,
      tensors: part.tensors,
      sizeBefore: part.sizeBytes,
      sizeAfter: exactSize(0),
      detail: `${main.nodes.length - part.nodes.length} of ${main.nodes.length} nodes, ${part.inputs.join(", ")} → ${part.outputs.join(", ")}`,
      part,
    };
    return { units: [unit], skipped: [] };
  },

  async apply(tx, { part }) {
    await Promise.resolve();
    const { inputs, outputs, nodes, tensors, functions, declarations } = part;
    const { model } = tx;
    // What nobody declares, or is dropped with its initializer, is inferred while the nodes that say so are still there.
    const inferred = [...inputs, ...outputs]
      .filter((name) => !mainGraph(model).values.has(name) || mainGraph(model).tensors.has(name))
      .map((name) => ({ name, ...typeOf(model, name) }));
    // Declarations of a removed node's outputs go with it, but for those of outputs of the graph.
    tx.setIo(MAIN, inputs, [...outputs, ...inputs]);
    if (nodes.length > 0) tx.replaceNodes(MAIN, { remove: nodes, insert: [] });
    for (const { name } of tensors) tx.dropTensor(MAIN, name);
    tx.setIo(MAIN, inputs, outputs);
    for (const name of declarations) tx.setValue(MAIN, name, null);
    for (const value of inferred) tx.setValue(MAIN, value.name, value);
    for (const { domain, name } of functions) tx.removeFunction(domain, name);
  },
});

/** A name may have a comma in it, so that the whole text is looked for first. */
function valuesIn(names: string, model: Model): string[] {
  const main = mainGraph(model);
  const isOne =
    main.inputs.includes(names) || main.nodes.some((node) => node.outputs.includes(names));
  if (isOne) return [names];
  const list = names.split(",").map((name) => name.trim());
  return [...new Set(list.filter((name) => name !== ""))];
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

function typeOf(model: Model, name: string): Pick<NewValue, "dtype" | "shape"> {
  const tensor = mainGraph(model).tensors.get(name);
  if (tensor) return { dtype: tensor.dtype.name, shape: tensor.shape };
  const shapes = inferShapes(model);
  return {
    dtype: shapes.dtypeOf(MAIN, name)?.name ?? null,
    shape: shapes.shapeOf(MAIN, name),
  };
}

const isTyped = (model: Model, name: string): boolean => {
  const declared = mainGraph(model).values.get(name);
  if (declared && (declared.type !== "tensor" || declared.dtype !== null)) return true;
  return typeOf(model, name).dtype !== null;
};
