/**
 * Stores a tensor once where a file has it several times under different names, bit for bit equal.
 *
 * Outputs stay as they are; the file shrinks by exactly the bytes of the copies. Exporters write tied
 * weights twice, and converters repeat constants. Copies in branches go to the tensor outside that
 * they can see. A matrix that is another one transposed is reported and left alone: using one for
 * both takes a Transpose at every load. A tensor that is an output of a graph keeps its place, and so
 * does one that callers may replace.
 *
 * Han et al. 2016, section 3 (arXiv:1510.00149) on weights that share storage.
 */
import {
  alike,
  compareGroup,
  findDuplicates,
  type Duplicate,
  type Held,
} from "../../core/duplicates.ts";
import { graphKey, isOverridable, tensorsOf, type Model } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform, type Transaction } from "../../core/plugin.ts";
import { transposedCandidates, transposedPairs } from "../../core/transposed.ts";
import { exactSize, type Skip } from "../../shared/report.ts";

const TRANSPOSED = "transposed copies";

export default defineTransform({
  meta: {
    id: "share.deduplicate",
    title: "Store equal tensors once",
    summary: "Keeps one copy of tensors that are stored several times; outputs stay the same.",
    papers: ["arXiv:1510.00149"],
    formats: ["onnx", "safetensors"],
    ops: "any",
    data: "none",
    cost: "seconds",
    exact: true,
    warnings: ["No speed-up: the same numbers are computed with."],
    covers: ["tensor-dedup", "weight-sharing"],
    version: 1,
    suffix: "dedup",
    api: 1,
    needsRuntime: false,
    params: {},
  },

  plan(model) {
    const groups = alike(model);
    const skipped: Skip[] = [];
    if (model.format === "safetensors") {
      if (groups.length > 0)
        skipped.push({
          name: "the file",
          reason:
            "a safetensors file gives every tensor bytes of its own, so equal ones cannot share them",
        });
      return { units: [], skipped };
    }
    const replaceable = overridable(model);
    if (replaceable > 0)
      skipped.push({
        name: "graph inputs",
        reason: `${replaceable} tensors are graph inputs too, so a caller may replace them (graph.clean can fix it)`,
      });
    const inNodes = tensorsOf(model).filter(({ node }) => node?.op === "Constant").length;
    if (inNodes > 1)
      skipped.push({
        name: "Constant nodes",
        reason: `the ${inNodes} tensors they hold are not compared (graph.clean makes initializers of them)`,
      });
    const { known } = findDuplicates(model);
    const units: Unit[] = groups.map((group) => unitOf(group, known));
    const matrices = transposedCandidates(held(model)).flatMap(([a, b]) => [...a, ...b]);
    if (matrices.length > 0)
      units.push({
        name: TRANSPOSED,
        graph: [],
        nodes: [],
        tensors: [...new Set(matrices.map(({ tensor }) => tensor))],
        sizeBefore: 0,
        sizeAfter: exactSize(0),
        detail: "looked for and reported",
      });
    return { units, skipped };
  },

  async apply(tx, { name }, _params, ctx) {
    const { model } = tx;
    if (name === TRANSPOSED) {
      const pairs = await transposedPairs(held(model), ctx);
      const found = pairs.map(
        ([a, b]) => `${a.tensor.name} and ${b.tensor.name} (${a.tensor.sizeBytes} bytes)`,
      );
      const reason =
        found.length === 0
          ? "no matrix is another one transposed"
          : `equal but for transposition, left as they are: ${found.join("; ")}`;
      return { name, reason };
    }
    const group = alike(model).find((candidates) => groupName(candidates) === name);
    const duplicates = group ? await compareGroup(model, group, ctx) : [];
    if (duplicates.length === 0) return { name, reason: "no two of them are equal" };
    for (const duplicate of duplicates) use(tx, duplicate);
    return undefined;
  },
});

function use(tx: Transaction, { path, name, keep }: Duplicate): void {
  tx.replaceNodes(path, { remove: [], insert: [], rewire: [[name, keep]] });
  tx.dropTensor(path, name);
}

const groupName = (group: readonly Held[]): string => {
  const [first] = group;
  return first ? `${first.tensor.dtype.name} [${first.tensor.shape.join(", ")}]` : "";
};

/** What is known to go without reading: tensors small enough to be in memory. */
function unitOf(group: readonly Held[], known: readonly Duplicate[]): Unit {
  const names = new Set(
    group.map(({ graph, tensor }) => `${graphKey(graph.path)}\n${tensor.name}`),
  );
  const going = known.filter(({ path, name }) => names.has(`${graphKey(path)}\n${name}`));
  const bytes = group[0]?.tensor.sizeBytes ?? 0;
  return {
    name: groupName(group),
    graph: [],
    nodes: [],
    tensors: group.map(({ tensor }) => tensor),
    sizeBefore: going.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    sizeAfter: exactSize(0),
    detail: `${group.length} tensors to compare, ${bytes} bytes each`,
  };
}

const held = (model: Model): readonly Held[] =>
  [...model.graphs.values()].flatMap((graph) =>
    [...graph.tensors]
      .filter(([name]) => !isOverridable(model, graph, name))
      .map(([, tensor]) => ({ graph, tensor })),
  );

const overridable = (model: Model): number =>
  [...model.graphs.values()].reduce(
    (sum, graph) =>
      sum + [...graph.tensors.keys()].filter((name) => isOverridable(model, graph, name)).length,
    0,
  );
