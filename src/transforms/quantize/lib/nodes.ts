/** New nodes, as every technique of this family writes them. */
import type { GraphNode } from "../../../core/model.ts";
import type { NewAttribute, NewNode } from "../../../core/step.ts";

/** Of the default domain, without name and attributes. */
export const standard = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
): NewNode => ({
  name: "",
  op,
  domain: "",
  inputs,
  outputs,
  attrs: {},
});

/** A node as it is written anew; the operators here have no tensors or graphs as attributes. */
export const renewed = ({ name, op, domain, inputs, outputs, attrs }: GraphNode): NewNode => ({
  name,
  op,
  domain,
  inputs,
  outputs,
  attrs: Object.fromEntries(
    Object.entries(attrs).filter((pair): pair is [string, NewAttribute] => isPlain(pair[1])),
  ),
});
const isPlain = (attr: { readonly kind: string }): boolean =>
  ["int", "float", "string", "ints", "floats", "strings"].includes(attr.kind);

export const int = (value: number): NewAttribute => ({ kind: "int", value });
