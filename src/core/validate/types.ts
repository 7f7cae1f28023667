/** Types and shapes: what inference finds against what the schemas allow and the file declares. */
import { formatShape, plural } from "../../shared/format.ts";
import type { Dtype } from "../../shared/dtype.ts";
import type { Graph, GraphNode, Value } from "../model.ts";
import type { Contradiction, ShapeTable } from "../shapeInference.ts";
import { infoOfType, type Info } from "../shapes/rule.ts";
import { atNode, inGraph, type Report } from "./finding.ts";
import { parameterAt } from "./nodes.ts";
import type { Parameter, Schema } from "./schemas.ts";

const ONNX_NAMES: Readonly<Record<string, string>> = { float32: "float", float64: "double" };
const typeOf = (dtype: Dtype): string => ONNX_NAMES[dtype.name] ?? dtype.name;

/** As schemas write types: "tensor(float)", "seq(tensor(int64))"; null when not known. */
function typeName(info: Info): string | null {
  if (!info.holds) return info.dtype === null ? null : `tensor(${typeOf(info.dtype)})`;
  const inner = typeName(info.holds.of);
  if (inner === null) return null;
  if (info.holds.kind === "sequence") return `seq(${inner})`;
  return info.holds.kind === "optional" ? `optional(${inner})` : null;
}

/** Inputs of a node have types that its operator takes, and equal ones where it asks for that. */
export function checkTypes(
  table: ShapeTable,
  graph: Graph,
  node: GraphNode,
  schema: Schema,
  inFunction: string | null,
  report: Report,
): void {
  checkOutputTypes(table, graph, node, schema, inFunction, report);
  const bound = new Map<string, { readonly type: string; readonly input: string }>();
  node.inputs.forEach((name, i) => {
    const parameter = name === "" ? null : parameterAt(schema.inputList, i);
    const type = name === "" ? null : typeName(table.infoOf(graph.path, name));
    if (!parameter || type === null) return;
    const place = atNode(graph.path, inFunction, node, name);
    if (!parameter.types.has(type)) {
      report(
        "type",
        "input-type",
        place,
        `The input ${parameter.name} of ${node.op} is "${name}", ${type}, which ${node.op} does not take.`,
        `Cast it to one of ${listed(parameter)}.`,
      );
      return;
    }
    if (parameter.variable === null || !parameter.homogeneous) return;
    const first = bound.get(parameter.variable);
    if (!first) bound.set(parameter.variable, { type, input: name });
    else if (first.type !== type)
      report(
        "type",
        "types-differ",
        place,
        `${node.op} takes inputs of one type, and "${first.input}" is ${first.type}, "${name}" ${type}.`,
        "Cast one of them.",
      );
  });
}
/** Outputs have types that the operator can make. */
function checkOutputTypes(
  table: ShapeTable,
  graph: Graph,
  node: GraphNode,
  schema: Schema,
  inFunction: string | null,
  report: Report,
): void {
  node.outputs.forEach((name, i) => {
    const parameter = name === "" ? null : parameterAt(schema.outputList, i);
    const type = name === "" ? null : typeName(table.infoOf(graph.path, name));
    if (parameter && type !== null && !parameter.types.has(type))
      report(
        "type",
        "output-type",
        atNode(graph.path, inFunction, node, name),
        `The output "${name}" is ${type}, which ${node.op} of this operator set does not make.`,
        `It can make ${listed(parameter)}.`,
      );
  });
}
function listed({ types }: Parameter): string {
  const all = [...types];
  const more = all.length > 6 ? ` and ${all.length - 6} other types` : "";
  return all.slice(0, 6).join(", ") + more;
}

/** What inference says cannot be. */
export function reportContradiction(found: Contradiction, graph: Graph, report: Report): void {
  const { node, what, path, inFunction } = found;
  if (what.kind === "node") {
    if (node)
      report(
        "type",
        "impossible",
        atNode(path, inFunction, node),
        what.text,
        "Change the shapes or the attributes so that they fit.",
      );
    return;
  }
  const { name, inferred, declared } = what;
  const place = node ? atNode(path, inFunction, node, name) : inGraph(graph, inFunction, name);
  report(
    "type",
    "declared",
    place,
    `"${name}" is declared as ${described(infoOfType(declared))}, but it is ${described(inferred)}.`,
    graph.inputs.includes(name)
      ? "Correct the declaration of the graph input, or the initializer."
      : graph.outputs.includes(name)
        ? "Correct the declaration of the graph output."
        : "Correct or remove the entry in value_info.",
  );
}
const described = (info: Info): string => {
  if (info.holds) return `a ${info.holds.kind} of ${described(info.holds.of)}`;
  const type = info.dtype?.name ?? "a tensor";
  return info.shape === null ? `${type} of unknown shape` : `${type} ${formatShape(info.shape)}`;
};

/** Declarations of values that nothing makes. */
export function checkDeclarations(
  graph: Graph,
  made: (name: string) => boolean,
  report: Report,
): void {
  const idle = [...graph.values.values()].filter((value: Value) => !made(value.name));
  const [first] = idle;
  if (first)
    report(
      "warning",
      "unused-declaration",
      inGraph(graph, null, first.name),
      `${plural(idle.length, "value")} declared in value_info ${idle.length === 1 ? "is" : "are"} not in the graph: "${first.name}"${idle.length > 1 ? " …" : ""}.`,
      "Remove the declarations.",
    );
}
