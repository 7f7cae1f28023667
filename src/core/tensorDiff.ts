/** Which tensors differ between two models, and what became of each weight. Reads no weights. */
import { formatShape } from "../shared/format.ts";
import type { Matching, Placed } from "./matching.ts";
import { graphKey, type GraphNode, type Model, type Tensor } from "./model.ts";
import { scopeOf } from "./scope.ts";
import { sameStorage, tensorId, tensorTable } from "./tensorTable.ts";
import { weightForm, type NamedTensor, type WeightForm } from "./weightForm.ts";

export interface TensorChange {
  readonly status: "added" | "removed" | "changed" | "replaced";
  /** Name in the model before; in the one after for an added tensor. */
  readonly name: string;
  readonly before: Tensor | null;
  /** Empty for a removed tensor; codes, scales and zero points for a quantized one. */
  readonly after: readonly Tensor[];
  /** How the new tensors give the old one's values; null where nothing is known. */
  readonly form: WeightForm | null;
  /** The new values stand for so many times the old ones: a Gemm's alpha moved into the scales. */
  readonly factor: number;
  /**
   * A batch normalization that followed was folded into the new values: each output channel (axis 0)
   * stands for the old one times a factor of its own.
   */
  readonly perChannel: boolean;
  readonly detail: string;
}

const tensorText = (tensor: Tensor): string => `${tensor.dtype.name} ${formatShape(tensor.shape)}`;

/** How a weight is stored, for people. */
export function formText(form: WeightForm): string {
  switch (form.kind) {
    case "plain":
      return tensorText(form.values);
    case "blocks":
      return `${form.bits}-bit codes in blocks of ${form.block}${form.zeroPoints ? ", with zero points" : ""}`;
    case "linear": {
      const scales = form.scales.shape.reduce((a, b) => a * b, 1);
      const per =
        form.block > 0 ? `per block of ${form.block}` : scales > 1 ? "per channel" : "per tensor";
      return `${tensorText(form.codes)} codes, scaled ${per}`;
    }
    case "codes":
      return `${tensorText(form.codes)} codes`;
  }
}

const idOf = ({ graph, name }: NamedTensor): string => tensorId(graphKey(graph), name);

export function tensorChanges(before: Model, after: Model, matching: Matching): TensorChange[] {
  const old = tensorTable(before);
  const fresh = tensorTable(after);
  const successors = new Map<string, Successor>();
  const explained = new Set<string>();
  for (const successor of successorsOf(before, after, matching)) {
    const { tensor, form } = successor;
    if (isSame(tensor, form)) continue;
    const id = idOf(tensor);
    // A weight used in two ways may be stored twice; the first form is the one compared.
    if (!successors.has(id)) successors.set(id, successor);
    for (const part of form.tensors) explained.add(idOf(part));
  }
  const out: TensorChange[] = [];
  for (const { id, name, tensor } of old.entries) {
    const same = fresh.get(id)?.tensor ?? null;
    if (same && sameStorage(tensor, same)) continue;
    const found = successors.get(id);
    if (found) out.push(replaced(name, tensor, same, found));
    else if (same) out.push(changed(name, tensor, same));
    else
      out.push({
        ...NO_SUCCESSOR,
        status: "removed",
        name,
        before: tensor,
        detail: tensorText(tensor),
      });
  }
  for (const { id, name, tensor } of fresh.entries)
    if (!old.get(id) && !explained.has(id))
      out.push({
        ...NO_SUCCESSOR,
        status: "added",
        name,
        after: [tensor],
        detail: tensorText(tensor),
      });
  return out;
}

const NO_SUCCESSOR = {
  before: null,
  after: [],
  form: null,
  factor: 1,
  perChannel: false,
} as const;

function replaced(
  name: string,
  before: Tensor,
  same: Tensor | null,
  found: Successor,
): TensorChange {
  const { form, factor, perChannel } = found;
  return {
    status: form.kind === "plain" && form.values === same ? "changed" : "replaced",
    name,
    before,
    after: form.tensors.map((part) => part.tensor),
    form,
    factor,
    perChannel,
    detail: `${changeText(tensorText(before), formText(form))}${perChannel ? ", a BatchNormalization folded in" : ""}`,
  };
}

/** "float32 [8, 4] → [16, 4]": what stays is said once. */
function changeText(was: string, is: string): string {
  if (was === is) return `${was}, other values`;
  const [dtype = ""] = was.split("[");
  return `${was} → ${is.startsWith(`${dtype}[`) ? is.slice(dtype.length) : is}`;
}

function changed(name: string, before: Tensor, after: Tensor): TensorChange {
  const [was, is] = [tensorText(before), tensorText(after)];
  const form: WeightForm = { kind: "plain", values: after, transposed: false, tensors: [] };
  const detail = changeText(was, is);
  return { ...NO_SUCCESSOR, status: "changed", name, before, after: [after], form, detail };
}

const isSame = ({ tensor, name }: NamedTensor, form: WeightForm): boolean =>
  form.kind === "plain" && form.tensors[0]?.name === name && sameStorage(tensor, form.values);

/** A constant of the model before, and the form in which the same use finds it afterwards. */
interface Successor {
  readonly tensor: NamedTensor;
  readonly form: WeightForm;
  readonly factor: number;
  readonly perChannel: boolean;
}

function* successorsOf(before: Model, after: Model, matching: Matching): Iterable<Successor> {
  for (const { before: a, after: b } of matching.pairs)
    for (let slot = 0; slot < Math.min(a.node.inputs.length, b.node.inputs.length); slot++) {
      const was = weightForm(before, a.graph.path, a.node, slot);
      const is = was?.kind === "plain" ? weightForm(after, b.graph.path, b.node, slot) : null;
      const turned = slot === 1 && storesNK(a.node) !== storesNK(b.node);
      if (was && is)
        yield* successor(was, is, {
          turned,
          factor: 1,
          perChannel: slot === 1 && isNormalized(before, a) && !isNormalized(after, b),
        });
    }
  for (const group of matching.groups) {
    if (group.kind !== "replaced") continue;
    const was = largest(before, group.before);
    const is = largest(after, group.after);
    if (was?.form.kind !== "plain" || !is) continue;
    // An operator that takes [K, N] and one that takes [N, K] hold the same matrix transposed.
    const turned = storesNK(was.node) !== storesNK(is.node);
    yield* successor(was.form, is.form, {
      turned,
      factor: alphaOf(was.node) / alphaOf(is.node),
      perChannel: false,
    });
  }
}
function* successor(
  was: WeightForm,
  is: WeightForm,
  how: { readonly turned: boolean; readonly factor: number; readonly perChannel: boolean },
): Iterable<Successor> {
  const [tensor] = was.tensors;
  if (!tensor) return;
  // A scale that stands where a vector stood is no successor of it.
  if (is.kind === "plain" && sizesDiffer(tensor.tensor, is.values)) return;
  const { turned, factor, perChannel } = how;
  const transposed = [turned, was.transposed, is.transposed].filter(Boolean).length % 2 === 1;
  yield { tensor, form: { ...is, transposed }, factor, perChannel };
}

const sizesDiffer = (a: Tensor, b: Tensor): boolean =>
  a.shape.length !== b.shape.length && (a.shape.length === 0 || b.shape.length === 0);

/** Whether all that uses the node's result is one batch normalization. */
function isNormalized(model: Model, { graph, node }: Placed): boolean {
  const uses = scopeOf(model).uses(graph.path, node.outputs[0] ?? "");
  return uses.length === 1 && uses[0]?.node?.op === "BatchNormalization";
}

/** The largest constant of a group: its weight. */
function largest(
  model: Model,
  group: readonly Placed[],
): { readonly node: GraphNode; readonly form: WeightForm } | null {
  let best: { node: GraphNode; form: WeightForm } | null = null;
  for (const { graph, node } of group)
    // A DequantizeLinear is part of the form that its user sees.
    for (let slot = 0; node.op !== "DequantizeLinear" && slot < node.inputs.length; slot++) {
      const form = weightForm(model, graph.path, node, slot);
      if (form && (best === null || sizeOf(form) > sizeOf(best.form))) best = { node, form };
    }
  return best;
}
const sizeOf = (form: WeightForm): number => form.tensors[0]?.tensor.sizeBytes ?? 0;

const storesNK = (node: GraphNode): boolean => {
  const transB = node.attrs["transB"];
  return node.op === "MatMulNBits" || (transB?.kind === "int" && transB.value === 1);
};

const alphaOf = (node: GraphNode): number => {
  const alpha = node.op === "Gemm" ? node.attrs["alpha"] : undefined;
  return alpha?.kind === "float" && alpha.value !== 0 ? alpha.value : 1;
};
