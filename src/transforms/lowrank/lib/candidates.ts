/** Linear layers that two thinner ones can replace, and why others cannot be. */
import {
  findLinear,
  groupsOf,
  linearSize,
  WEIGHT_SLOT,
  type LinearSite,
  type LinearWeight,
  type MatrixSize,
} from "../../../core/linear.ts";
import { nodeLabel, type GraphNode, type Model } from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import type { Skip } from "../../../shared/report.ts";

export interface Candidate extends MatrixSize {
  readonly weight: LinearWeight;
  /** The tensor holds [N, K]. */
  readonly stored: "kn" | "nk";
}

export function findCandidates(
  model: Model,
  keepHeads: boolean,
): {
  readonly candidates: readonly Candidate[];
  readonly skipped: readonly Skip[];
} {
  const { weights, skipped } = findLinear(model);
  const scope = scopeOf(model);
  const sizes = new Map<GraphNode, MatrixSize>();
  for (const weight of weights)
    for (const { node } of weight.sites) sizes.set(node, linearSize(weight));
  const candidates: Candidate[] = [];
  const skips = [...skipped];
  for (const weight of weights) {
    const reason = refusal(scope, sizes, weight) ?? (keepHeads ? headReason(scope, weight) : null);
    const [first] = weight.sites;
    if (reason === null)
      candidates.push({
        weight,
        ...linearSize(weight),
        stored: first.transposed ? "nk" : "kn",
      });
    else
      for (const { path, node } of weight.sites)
        skips.push({ name: nodeLabel(path, node), reason });
  }
  return { candidates, skipped: skips };
}

function refusal(
  scope: ScopeIndex,
  sizes: ReadonlyMap<GraphNode, MatrixSize>,
  weight: LinearWeight,
): string | null {
  const { sites, tensor, name, keptBy } = weight;
  if (keptBy !== null)
    return `its weight "${name}" is also needed by ${keptBy}, so factors would be added to it`;
  const [first] = sites;
  if (first.op === "Conv") {
    const kernel = tensor.shape.slice(2);
    if (kernel.some((size) => size !== 1))
      return `its kernel is ${kernel.join("×")}; only 1×1 convolutions are factored here`;
    const groups = sites.find(({ node }) => groupsOf(node) !== 1);
    if (groups) return `it has ${groupsOf(groups.node)} groups`;
  }
  if (sites.some((site) => site.op !== first.op || site.transposed !== first.transposed))
    return `its weight "${name}" is used in two orientations`;
  if (sites.some((site) => isFactor(scope, sizes, site)))
    return "already one factor of a product of two";
  return null;
}

/** Operators between a layer and an output of the model that make it no less an output layer. */
const AFTER_HEAD = new Set(
  "Add Cast Flatten Identity LogSoftmax Mul Reshape Sigmoid Softmax Squeeze Transpose".split(" "),
);

function headReason(scope: ScopeIndex, { sites }: LinearWeight): string | null {
  for (const { path, node } of sites) {
    const output = outputBehind(scope, path, node, 8);
    if (output !== null)
      return `it makes the output "${output}"; set the parameter head to factor it`;
  }
  return null;
}

/** The model's output that `node` makes, alone or through a few elementwise operators. */
function outputBehind(
  scope: ScopeIndex,
  path: LinearSite["path"],
  node: GraphNode,
  hops: number,
): string | null {
  const name = node.outputs[0] ?? "";
  for (const use of scope.uses(path, name)) {
    if (use.node === null) return use.graph.path.length === 0 ? name : null;
    if (hops === 0 || !AFTER_HEAD.has(use.node.op)) continue;
    const found = outputBehind(scope, use.graph.path, use.node, hops - 1);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Whether a layer and its neighbour are one product already: nothing happens between them, and
 * what passes is narrower than both ends.
 */
function isFactor(
  scope: ScopeIndex,
  sizes: ReadonlyMap<GraphNode, MatrixSize>,
  { path, node }: LinearSite,
): boolean {
  const own = sizes.get(node);
  if (!own) return false;
  const narrower = (first: MatrixSize, second: MatrixSize): boolean =>
    first.n < Math.min(first.k, second.n);
  const next = onlyUser(scope, path, node);
  const after = next ? sizes.get(next) : undefined;
  if (after && !hasBias(node) && narrower(own, after)) return true;
  const maker = scope.define(path, node.inputs[0] ?? "");
  if (maker?.kind !== "node") return false;
  const before = sizes.get(maker.node);
  return (
    before !== undefined &&
    !hasBias(maker.node) &&
    onlyUser(scope, maker.graph.path, maker.node) === node &&
    narrower(before, own)
  );
}

/** The node that alone takes the output of `node`, as its input. */
function onlyUser(scope: ScopeIndex, path: LinearSite["path"], node: GraphNode): GraphNode | null {
  const [use, ...more] = scope.uses(path, node.outputs[0] ?? "");
  return use && more.length === 0 && use.input !== WEIGHT_SLOT ? use.node : null;
}

const hasBias = (node: GraphNode): boolean => (node.inputs[2] ?? "") !== "";
