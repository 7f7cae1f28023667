/**
 * Gives other names to values, inputs, outputs, tensors or nodes, one by one or by a pattern with
 * stars.
 *
 * Use it to make files of different exporters comparable, or to give inputs the names that a caller
 * expects. Every use follows, in branches too. A name that is taken anywhere in the model is refused,
 * because a branch must not shadow a name around it; so are values that name a node with branches,
 * and nodes whose attributes hold tensors or graphs.
 *
 * ONNX IR specification, "Names Within a Graph".
 */
import { nodeLabel, type Graph, type GraphNode, type Model } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import type { NewAttribute } from "../../core/step.ts";
import { choice, text } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import { renaming } from "./lib/pattern.ts";

interface RenameUnit extends Unit {
  readonly from: string;
  readonly to: string;
}

const KINDS = ["values", "inputs", "outputs", "tensors", "nodes"] as const;
type Kind = (typeof KINDS)[number];

export default defineTransform({
  meta: {
    id: "edit.rename",
    title: "Rename",
    summary: "Gives other names to values, inputs, outputs, tensors or nodes; every use follows.",
    papers: ["ONNX IR specification"],
    formats: ["onnx", "safetensors"],
    ops: "any",
    data: "none",
    cost: "instant",
    exact: true,
    warnings: ["Programs that feed or read renamed inputs and outputs must use the new names."],
    covers: [],
    version: 1,
    suffix: "renamed",
    api: 1,
    needsRuntime: false,
    params: {
      what: choice({
        title: "What",
        help: "Which names are looked at; values are all of inputs, outputs, tensors and results in between.",
        of: KINDS,
        default: "values",
      }),
      from: text({
        title: "From",
        help: "A name, or a pattern in which * stands for any run of characters.",
        default: "",
        maxLength: 1000,
      }),
      to: text({
        title: "To",
        help: "The new name; each * takes what the star of the same place stood for.",
        default: "",
        maxLength: 1000,
      }),
    },
  },

  plan(model, { what, from, to }) {
    const rule = renaming(from, to);
    if (typeof rule === "string") return { units: [], skipped: [{ name: "names", reason: rule }] };
    const units: RenameUnit[] = [];
    const skipped: Skip[] = [];
    const taken = takenNames(model);
    for (const graph of model.graphs.values())
      for (const { name, node } of namesOf(graph, what)) {
        const fresh = rule.apply(name);
        if (fresh === null) continue;
        const label = [...graph.path, name].join("/");
        const reason = taken.has(fresh)
          ? `the name "${fresh}" is taken`
          : refusal(model, node, what, fresh);
        if (reason !== null) {
          skipped.push({ name: label, reason });
          continue;
        }
        taken.add(fresh);
        units.push({
          name: label,
          from: name,
          to: fresh,
          graph: graph.path,
          nodes: node ? [node] : [],
          tensors: [],
          sizeBefore: 0,
          sizeAfter: exactSize(0),
          detail: `→ ${fresh}`,
        });
      }
    if (units.length === 0 && skipped.length === 0)
      skipped.push({ name: from, reason: `no ${what} are left that it names` });
    return { units, skipped };
  },

  async apply(tx, { graph, from, to, nodes: [node] }, { what }) {
    await Promise.resolve();
    if (what !== "nodes") tx.rename(graph, from, to);
    else if (node) {
      const attrs = node.attrs as Readonly<Record<string, NewAttribute>>;
      const { op, domain, inputs, outputs } = node;
      const renamed = { name: to, op, domain, inputs, outputs, attrs };
      tx.replaceNodes(graph, { remove: [node], insert: [renamed] });
    }
  },
});

interface Named {
  readonly name: string;
  /** Whose name, or whose result, it is. */
  readonly node: GraphNode | null;
}

/** Each name once, in the order of the file. */
function namesOf(graph: Graph, what: Kind): readonly Named[] {
  const { inputs, outputs, tensors, nodes } = graph;
  const makers = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  const named = (names: Iterable<string>): Named[] =>
    [...new Set(names)]
      .filter((name) => name !== "")
      .map((name) => ({ name, node: makers.get(name) ?? null }));
  const main = graph.path.length === 0;
  switch (what) {
    case "inputs":
      return main ? named(inputs.filter((name) => !tensors.has(name))) : [];
    case "outputs":
      return main ? named(outputs) : [];
    case "tensors":
      return named(tensors.keys());
    case "nodes":
      return nodes.flatMap((node) => (node.name === "" ? [] : [{ name: node.name, node }]));
    case "values":
      return named([...inputs, ...tensors.keys(), ...makers.keys()]);
  }
}

function refusal(model: Model, node: GraphNode | null, what: Kind, fresh: string): string | null {
  if (model.format === "safetensors" && fresh === "__metadata__")
    return `"${fresh}" is the name of the metadata`;
  const kinds = Object.entries(node?.attrs ?? {}).filter(([, { kind }]) =>
    what === "nodes" ? ["tensor", "graph", "opaque"].includes(kind) : kind === "graph",
  );
  const [first] = kinds;
  if (!node || !first) return null;
  return what === "nodes"
    ? `its attribute ${first[0]} cannot be written anew`
    : `it is the result of ${nodeLabel([], node)} (${node.op}), by which its branches are found`;
}

function takenNames(model: Model): Set<string> {
  const names = new Set<string>();
  for (const graph of model.graphs.values()) {
    for (const name of [...graph.inputs, ...graph.tensors.keys()]) names.add(name);
    for (const node of graph.nodes)
      for (const name of [node.name, ...node.outputs]) names.add(name);
  }
  return names;
}
