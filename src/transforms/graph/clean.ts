/**
 * Removes what a graph does not need and computes ahead what never changes: nodes that give their
 * input on, Ifs whose condition never changes, constants held in nodes, shapes known ahead, constant
 * subexpressions, equal constants, repeated nodes, and everything that reaches no output. Nodes that
 * are listed before what they use are put in topological order.
 *
 * Outputs stay as they are, bit for bit where nothing is computed ahead. Use it first: exporters
 * leave hundreds of such nodes, and other techniques see through the result better. A constant
 * subexpression is folded only while its result is at most 64 KiB larger than what it replaces;
 * stored codes (DequantizeLinear, widening Cast), random operators and control flow are never folded.
 * Passes run once each, in an order in which none makes work for an earlier one.
 *
 * Aho, Lam, Sethi, Ullman: Compilers, chapters 8 and 9 (2006).
 */
import { plural } from "../../shared/format.ts";
import { applySteps } from "../../core/draft.ts";
import type { Graph, GraphNode, Model } from "../../core/model.ts";
import type { Unit } from "../../core/plan.ts";
import { defineTransform } from "../../core/plugin.ts";
import { topologicalOrder } from "../../core/topology.ts";
import { tensorBytes } from "../../core/transaction.ts";
import type { Step } from "../../core/step.ts";
import { flag } from "../../shared/params.ts";
import { exactSize, type Skip } from "../../shared/report.ts";
import { branchSteps, inlineAll } from "./lib/branches.ts";
import { findConstantNodes } from "./lib/constantNodes.ts";
import { compareDuplicates, findDuplicates } from "../../core/duplicates.ts";
import { countOps, type Removal } from "./lib/facts.ts";
import { findSubexpressions, type Subexpression } from "./lib/folding.ts";
import { findNoOps } from "./lib/noOps.ts";
import { findRepeats } from "./lib/repeats.ts";
import { findStaticValues } from "./lib/staticValues.ts";
import {
  constantSteps,
  declarationSteps,
  duplicateSteps,
  fixedInputs,
  foldSteps,
  inputSteps,
  removalSteps,
  replay,
  staticSteps,
  storeConstants,
  storeFolded,
  storeStatic,
  unusedSteps,
} from "./lib/steps.ts";
import { findDeclarations, findUnused } from "./lib/unused.ts";

interface CleanUnit extends Unit {
  readonly pass: Pass;
  /** The constant subexpression to fold. */
  readonly sub?: Subexpression;
}
type Pass =
  | "inputs"
  | "branches"
  | "noOps"
  | "constants"
  | "static"
  | "fold"
  | "order"
  | "equal"
  | "repeats"
  | "unused"
  | "idle";

/** What a pass would do to the model that the passes before it leave. */
interface Planned {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly detail: string;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  readonly steps: readonly Step[];
  readonly sub?: Subexpression;
}

export default defineTransform({
  meta: {
    id: "graph.clean",
    title: "Clean up the graph",
    summary:
      "Removes dead nodes, no-ops, repeated nodes, equal constants and Ifs that never change, and folds constant subexpressions; outputs stay the same.",
    papers: ["Aho et al. 2006, Compilers"],
    formats: ["onnx"],
    ops: "any",
    data: "none",
    cost: "seconds",
    exact: true,
    warnings: ["Little speed-up by itself: onnxruntime does most of this at load."],
    covers: ["constant-folding", "dead-code", "cse", "noop-elimination"],
    version: 2,
    suffix: "clean",
    api: 1,
    needsRuntime: true,
    params: {
      fixInitializers: flag({
        title: "Fix initializers that are inputs",
        help: "Old exporters list every weight as a graph input too, which keeps it from being changed; this removes them from the inputs, so callers can no longer replace them.",
        default: false,
      }),
    },
  },

  plan(model, { fixInitializers }) {
    const units: CleanUnit[] = [];
    const skipped: Skip[] = [];
    let at = model;
    const run = (pass: Pass, planned: readonly Planned[]): void => {
      for (const { steps, sizeAfter, ...unit } of planned) {
        units.push({ ...unit, pass, graph: [], tensors: [], sizeAfter: exactSize(sizeAfter) });
        at = applySteps(at, steps);
      }
    };
    run("order", planOrder(at));
    if (fixInitializers) run("inputs", planInputs(at));
    run("branches", planBranches(at));
    run("noOps", planRemoval("no-op nodes", findNoOps(at)));
    run("constants", planConstants(at));
    run("static", planStatic(at));
    const folding = findSubexpressions(at);
    skipped.push(...folding.skipped);
    run(
      "fold",
      folding.found.map((sub) => planFold(at, sub)),
    );
    const equal = planEqual(at);
    run("equal", equal);
    // Folded and merged constants may make more nodes repeat than can be seen from here.
    const more = folding.found.length > 0 || equal.length > 0;
    run("repeats", planRemoval("repeated nodes", findRepeats(at), more));
    run("unused", planUnused(at));
    run("idle", planIdle(at));
    return { units, skipped };
  },

  async apply(tx, { pass, sub, name }, _params, ctx) {
    const { model } = tx;
    switch (pass) {
      case "inputs":
        return replay(tx, name, inputSteps(model, fixedInputs(model)));
      case "order":
        // The nodes of every result are in order; this says so where they were not.
        return undefined;
      case "branches":
        inlineAll(model, (_before, { path, node, attr }) => {
          tx.inlineBody(path, node, attr);
          return tx.model;
        });
        return undefined;
      case "noOps":
        return replay(tx, name, findNoOps(model).flatMap(removalSteps));
      case "constants":
        await storeConstants(tx, findConstantNodes(model), ctx);
        return undefined;
      case "static":
        for (const known of findStaticValues(model)) await storeStatic(tx, known);
        return undefined;
      case "fold":
        return sub && (await storeFolded(tx, name, sub, ctx));
      case "equal":
        return replay(tx, name, duplicateSteps(await compareDuplicates(model, ctx)));
      case "repeats":
        return replay(tx, name, findRepeats(model).flatMap(removalSteps));
      case "unused":
        return replay(tx, name, findUnused(model).flatMap(unusedSteps));
      case "idle":
        return replay(tx, name, declarationSteps(findDeclarations(model)));
    }
  },
});

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const NO_BYTES = { sizeBefore: 0, sizeAfter: 0 };

function planOrder(model: Model): Planned[] {
  const moved = [...model.graphs.values()].flatMap((graph) => {
    const order = orderOf(model, graph);
    return graph.nodes.filter((node, i) => order !== null && order[i] !== node);
  });
  if (moved.length === 0) return [];
  const detail = `${plural(moved.length, "node")} in another place: what a node uses is made before it`;
  return [{ name: "node order", nodes: moved, detail, ...NO_BYTES, steps: [] }];
}

/** Null where there is none: nodes on a cycle may all go, and a cycle that stays refuses the result. */
function orderOf(model: Model, graph: Graph): readonly GraphNode[] | null {
  try {
    return topologicalOrder(model, graph);
  } catch {
    return null;
  }
}

function planInputs(model: Model): Planned[] {
  const fixed = fixedInputs(model);
  if (fixed.length === 0) return [];
  const detail = `${fixed.length} initializers are no inputs any more`;
  return [{ name: "inputs", nodes: [], detail, ...NO_BYTES, steps: inputSteps(model, fixed) }];
}

function planBranches(model: Model): Planned[] {
  const { branches, steps } = branchSteps(model);
  if (branches.length === 0) return [];
  const after = applySteps(model, steps);
  const gone = countNodes(model) - countNodes(after);
  return [
    {
      name: "constant branches",
      nodes: branches.map(({ node }) => node),
      detail: `${plural(branches.length, "If")} whose condition never changes: ${plural(gone, "node")} less`,
      sizeBefore: tensorBytes(model) - tensorBytes(after),
      sizeAfter: 0,
      steps,
    },
  ];
}
const countNodes = ({ graphs }: Model): number =>
  sum([...graphs.values()].map(({ nodes }) => nodes.length));

function planRemoval(name: string, removals: readonly Removal[], open = false): Planned[] {
  if (removals.length === 0 && !open) return [];
  const nodes = removals.flatMap((r) => r.remove);
  const detail =
    nodes.length === 0 ? "to be looked for" : `${plural(nodes.length, "node")}: ${countOps(nodes)}`;
  return [{ name, nodes, detail, ...NO_BYTES, steps: removals.flatMap(removalSteps) }];
}

function planConstants(model: Model): Planned[] {
  const held = findConstantNodes(model);
  if (held.length === 0) return [];
  return [
    {
      name: "constant nodes",
      nodes: held.map((h) => h.node),
      detail: `${held.length} Constant nodes → initializers`,
      sizeBefore: sum(held.map((h) => h.sizeBefore)),
      sizeAfter: sum(held.map((h) => h.sizeBytes)),
      steps: constantSteps(held),
    },
  ];
}

function planStatic(model: Model): Planned[] {
  const known = findStaticValues(model);
  if (known.length === 0) return [];
  const nodes = known.flatMap((k) => k.remove);
  return [
    {
      name: "static shapes",
      nodes,
      detail: `${plural(nodes.length, "node")}: ${countOps(nodes)}`,
      sizeBefore: 0,
      sizeAfter: sum(known.flatMap((k) => k.values.map((v) => v.bytes.length))),
      steps: known.flatMap(staticSteps),
    },
  ];
}

function planFold(model: Model, sub: Subexpression): Planned {
  const sizeAfter = sum(sub.outputs.map((o) => o.sizeBytes));
  return {
    name: `constant ${sub.name}`,
    nodes: sub.nodes,
    detail: `${plural(sub.nodes.length, "node")} (${countOps(sub.nodes)}) → ${plural(sizeAfter, "byte")}`,
    sizeBefore: 0,
    sizeAfter,
    steps: foldSteps(model, sub),
    sub,
  };
}

function planEqual(model: Model): Planned[] {
  const { known, open } = findDuplicates(model);
  if (known.length === 0 && open === 0) return [];
  return [
    {
      name: "equal constants",
      nodes: [],
      detail: `${known.length} equal constants${open > 0 ? `, ${open} more to compare` : ""}`,
      sizeBefore: sum(known.map((d) => d.sizeBytes)),
      sizeAfter: 0,
      steps: duplicateSteps(known),
    },
  ];
}

function planUnused(model: Model): Planned[] {
  const unused = findUnused(model);
  if (unused.length === 0) return [];
  const nodes = unused.flatMap((u) => u.nodes);
  const tensors = unused.flatMap((u) => u.tensors);
  return [
    {
      name: "unused",
      nodes,
      detail: `${plural(nodes.length, "node")}, ${plural(tensors.length, "constant")}`,
      sizeBefore: sum(tensors.map((t) => t.sizeBytes)),
      sizeAfter: 0,
      steps: unused.flatMap(unusedSteps),
    },
  ];
}

function planIdle(model: Model): Planned[] {
  const idle = findDeclarations(model);
  const { values, domains } = idle;
  if (values.length + domains.length === 0) return [];
  const detail = `${values.length} types of values that do not exist, ${domains.length} unused operator sets`;
  return [{ name: "declarations", nodes: [], detail, ...NO_BYTES, steps: declarationSteps(idle) }];
}
