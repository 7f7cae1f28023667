/** Nodes against the schemas of their operators: counts, attributes, versions. */
import type { Attribute, Graph, GraphNode } from "../model.ts";
import { nearest } from "../../shared/failure.ts";
import { plural } from "../../shared/format.ts";
import { atNode, type Report } from "./finding.ts";
import type { Scope } from "./graphs.ts";
import {
  EXPERIMENTAL,
  newestOpset,
  schemaOf,
  type AttributeType,
  type Parameter,
  type Schema,
} from "./schemas.ts";

const KIND_NAMES: Readonly<Record<AttributeType, string>> = {
  f: "a float",
  i: "an int",
  s: "a string",
  t: "a tensor",
  g: "a graph",
  fs: "a list of floats",
  is: "a list of ints",
  ss: "a list of strings",
  ts: "a list of tensors",
  gs: "a list of graphs",
  st: "a sparse tensor",
  sts: "a list of sparse tensors",
  tp: "a type",
  tps: "a list of types",
};
const KINDS: Readonly<Record<Exclude<Attribute["kind"], "opaque">, AttributeType>> = {
  float: "f",
  int: "i",
  string: "s",
  tensor: "t",
  graph: "g",
  floats: "fs",
  ints: "is",
  strings: "ss",
};
const OPAQUE: ReadonlyMap<string, AttributeType> = new Map([
  ["tensors", "ts"],
  ["graphs", "gs"],
  ["sparse_tensor", "st"],
  ["sparse_tensors", "sts"],
  ["type_proto", "tp"],
  ["type_protos", "tps"],
  ["tensor", "t"],
  ["graph", "g"],
]);
/** Null for what is not known: a reference, or bytes that are no text. */
const kindOf = (attr: Attribute): AttributeType | null =>
  attr.kind === "opaque" ? (OPAQUE.get(attr.type) ?? null) : KINDS[attr.kind];

/** The schema of a node's operator; null where there is none or it was not found, which is reported. */
export function checkNode(
  scope: Scope,
  graph: Graph,
  node: GraphNode,
  report: Report,
): Schema | null {
  const { model, opsets, inFunction } = scope;
  const place = atNode(graph.path, inFunction, node);
  const { op, domain } = node;
  if (op === "") {
    report(
      "error",
      "no-operator",
      place,
      "The node has no operator.",
      "Give it an op_type, or remove it.",
    );
    return null;
  }
  const opset = opsets.get(domain);
  if (opset === undefined) {
    // Operator sets did not have to be imported before IR version 3.
    if (model.irVersion < 3 && domain === "") return null;
    // Said once for the model or the function.
    if (opsets.size === 0) return null;
    report(
      "error",
      "opset-missing",
      place,
      `The operator set of domain "${domain === "" ? "ai.onnx" : domain}" is not imported${inFunction === null ? "" : " by the function"}.`,
      "Add the domain and its version to opset_import.",
    );
    return null;
  }
  if (scope.functionOf(node)) return null;
  const newest = newestOpset(domain);
  // Nothing is known of operators of other domains.
  if (newest === null) return null;
  const answer = schemaOf(domain, op, opset);
  const set = `operator set ${opset}${domain === "" ? "" : ` of ${domain}`}`;
  switch (answer.kind) {
    case "unknown":
      if (domain === "" && EXPERIMENTAL.has(op)) {
        report(
          "warning",
          "experimental",
          place,
          `${op} is an experimental operator that was withdrawn from ONNX.`,
          "Export the model anew; few runtimes have this operator.",
        );
        return null;
      }
      // The checker leaves operators of the preview domain to those who run them.
      report(
        domain.startsWith("ai.onnx.preview") ? "warning" : "error",
        "unknown-operator",
        place,
        `ONNX has no operator ${op}${domain === "" ? "" : ` in domain ${domain}`}.`,
        answer.nearest === null
          ? "If it is a custom operator, give it the domain of its library and import that domain."
          : `Did you mean ${answer.nearest}? A custom operator needs the domain of its library.`,
      );
      return null;
    case "tooNew":
      report(
        "error",
        "operator-too-new",
        place,
        `${op} came with operator set ${answer.since}, and the model imports ${set}.`,
        `Bring the model to operator set ${answer.since} (graph.upgradeOpset), or use older operators.`,
      );
      return null;
    case "removed":
      report(
        "error",
        "operator-removed",
        place,
        `${op} was removed in operator set ${answer.since}, and the model imports ${set}.`,
        `${REPLACED[op] ?? "Use what took its place"}, or import an operator set before ${answer.since}.`,
      );
      return null;
    case "schema":
      checkCounts(node, answer.schema, place, report);
      checkAttributes(node, answer.schema, place, set, report);
      return answer.schema;
  }
}
const REPLACED: Readonly<Record<string, string>> = {
  Upsample: "Use Resize",
  Scatter: "Use ScatterElements",
};

function checkCounts(
  node: GraphNode,
  schema: Schema,
  place: ReturnType<typeof atNode>,
  report: Report,
): void {
  const sides = [
    ["input", node.inputs, schema.inputs, schema.inputList],
    ["output", node.outputs, schema.outputs, schema.outputList],
  ] as const;
  for (const [side, names, [fewest, most], list] of sides) {
    if (names.length < fewest || names.length > most) {
      const range =
        fewest === most
          ? `${fewest}`
          : most === Infinity
            ? `at least ${fewest}`
            : `${fewest} to ${most}`;
      report(
        "error",
        `${side}-count`,
        place,
        `${node.op} has ${plural(names.length, side)} and takes ${range}.`,
        names.length > most
          ? `Remove the last ${names.length - most}.`
          : `Add ${
              list
                .slice(names.length, fewest)
                .map((p) => p.name)
                .join(", ") || "the missing ones"
            }.`,
      );
    }
    names.forEach((name, i) => {
      const parameter = parameterAt(list, i);
      // A list of inputs may have gaps by the schema, but nothing can be inferred from one.
      const inList = side === "input" && parameter?.option === "variadic";
      if (name === "" && (parameter?.option === "single" || inList))
        report(
          inList ? "type" : "error",
          `empty-${side}`,
          place,
          `The ${side} ${parameter.name} of ${node.op} is left empty, and it is not optional.`,
          `Give it a value's name.`,
        );
    });
  }
}
/** The formal parameter of position `i`; the last one goes on when it is variadic. */
export function parameterAt(list: readonly Parameter[], i: number): Parameter | null {
  const last = list.at(-1);
  return list[i] ?? (last?.option === "variadic" ? last : null);
}

function checkAttributes(
  node: GraphNode,
  schema: Schema,
  place: ReturnType<typeof atNode>,
  set: string,
  report: Report,
): void {
  for (const [name, attr] of Object.entries(node.attrs)) {
    const known = schema.attributes.get(name);
    if (!known) {
      if (name.startsWith("__")) continue;
      const near = nearest(name, [...schema.attributes.keys()]);
      report(
        // Its schema, alone of all, allows attributes it does not name.
        node.op === "LayerNormalization" ? "warning" : "error",
        "unknown-attribute",
        place,
        `${node.op} of ${set} has no attribute "${name}".`,
        near === null
          ? `Remove it${historyOf(node, name, schema)}.`
          : `Did you mean "${near}"? Otherwise remove it.`,
      );
      continue;
    }
    const kind = kindOf(attr);
    if (kind !== null && kind !== known.type)
      report(
        "error",
        "attribute-type",
        place,
        `The attribute "${name}" of ${node.op} is ${KIND_NAMES[kind]}, and it has to be ${KIND_NAMES[known.type]}.`,
        `Write it as ${KIND_NAMES[known.type]}.`,
      );
  }
  for (const [name, { required, type }] of schema.attributes)
    if (required && !Object.hasOwn(node.attrs, name))
      report(
        "error",
        "missing-attribute",
        place,
        `${node.op} needs the attribute "${name}".`,
        `Add it: ${KIND_NAMES[type]}.`,
      );
}
/** In other versions it is there: says which. */
function historyOf(node: GraphNode, name: string, schema: Schema): string {
  const newest = newestOpset(node.domain) ?? 0;
  for (let opset = newest; opset >= 1; opset--) {
    const answer = schemaOf(node.domain, node.op, opset);
    if (answer.kind !== "schema" || !answer.schema.attributes.has(name)) continue;
    return opset > schema.since
      ? `, or import operator set ${answer.schema.since}, where it came`
      : `; it was there up to operator set ${opset}`;
  }
  return "";
}
