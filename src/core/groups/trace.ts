/** Follows channels through the main graph: one rule per operator, in the order of the nodes. */
import { MAIN, mainGraph, nodeLabel, type GraphNode, type Model } from "../model.ts";
import { convolutionRules } from "./rules/convolution.ts";
import { elementwiseRules } from "./rules/elementwise.ts";
import { layoutRules } from "./rules/layout.ts";
import { matrixRules } from "./rules/matrix.ts";
import { reductionRules } from "./rules/reduction.ts";
import { reshapeRules } from "./rules/reshape.ts";
import { at, pinInputs, type Rule, type RuleTable } from "./rules/rule.ts";
import { dimensionUses } from "./dimensions.ts";
import { Tracer } from "./tracer.ts";

const rules: RuleTable = {
  ...convolutionRules,
  ...elementwiseRules,
  ...layoutRules,
  ...matrixRules,
  ...reductionRules,
  ...reshapeRules,
  Constant: () => {},
  // Who reads sizes is looked at once all channels are known.
  Shape: () => {},
};

const ruleFor = (node: GraphNode): Rule | undefined =>
  (node.domain === "" || node.domain === "ai.onnx") && Object.hasOwn(rules, node.op)
    ? rules[node.op]
    : undefined;

const tracers = new WeakMap<Model, Tracer>();

/** What is known of the channels of the main graph. Linear in nodes and channels; kept with the model. */
export function traceChannels(model: Model): Tracer {
  let tracer = tracers.get(model);
  if (!tracer) tracers.set(model, (tracer = trace(model)));
  return tracer;
}

function trace(model: Model): Tracer {
  const graph = mainGraph(model);
  const t = new Tracer(model, graph);
  for (const node of graph.nodes) {
    const rule = ruleFor(node);
    if (rule) rule(t, node);
    else pinInputs(t, node, `${at(t, node)} uses them in a way that is not understood`);
    t.noteOrigin(node);
  }
  for (const name of graph.outputs) t.pin(name, `they reach the model's output "${name}"`);
  dimensionUses(t);
  pinSharedTensors(t);
  return t;
}

/** What a subgraph or a caller sees must not change its size. */
function pinSharedTensors(t: Tracer): void {
  const { graph, model } = t;
  const names = new Set([...t.values.keys(), ...[...t.tensors.values()].map((one) => one.name)]);
  for (const name of names) {
    const uses = t.scope.uses(MAIN, name);
    const inner = uses.find((use) => use.graph !== graph);
    if (inner) {
      const user = inner.node ? nodeLabel(inner.graph.path, inner.node) : "an output of it";
      t.pin(name, `a subgraph reads "${name}" (${user})`);
    }
  }
  for (const traced of t.tensors.values()) {
    const { tensor } = traced.source;
    if (model.irVersion >= 4 && graph.inputs.includes(tensor.name) && !traced.source.node)
      t.pin(
        tensor.name,
        "a weight is also a graph input, so a caller may replace it (graph.clean can fix it)",
      );
    if (tensor.dtype.bits < 8 || tensor.dtype.kind === "string")
      t.pin(traced.name, `"${traced.name}" holds packed ${tensor.dtype.name} values`);
  }
}
