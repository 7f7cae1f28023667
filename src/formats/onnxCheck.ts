/** Findings that only the messages of a file show: what a Model has no place for. */
import type { Finding, Report, TrainingInfo } from "../core/validate/index.ts";
import { atNode, inGraph, NOWHERE } from "../core/validate/finding.ts";
import { functionName } from "../core/functions.ts";
import { graphKey, type Graph, type GraphNode, type GraphPath, type Model } from "../core/model.ts";
import { dtypeFromOnnx } from "../shared/dtype.ts";
import { isSet, originOf } from "./onnxOrigin.ts";
import { isExternal } from "./onnxTensor.ts";
import { readMarker } from "./onnxTensorFields.ts";
import { hiddenIn } from "./onnxTraining.ts";
import type { AttributeProto, SparseTensorProto, TensorProto, ValueInfoProto } from "./onnx_pb.ts";

/** Of a model as it was read; parts that were changed since are not looked at. */
export function messageFindings(model: Model): Finding[] {
  const findings: Finding[] = [];
  const report: Report = (severity, code, place, message, fix) =>
    findings.push({ severity, code, place, message, fix });
  const origin = originOf(model, "onnx model");
  if (!origin) return [];
  const { message } = origin.skeleton;
  if (model.irVersion > 0 && model.irVersion < 3 && message.opsetImport.length > 0)
    report(
      "error",
      "opset-import",
      NOWHERE,
      `IR version ${model.irVersion} knows no opset_import, and the model has one.`,
      "Raise the IR version to 3 or later.",
    );
  const keys = message.metadataProps.map(({ key }) => key);
  const once = new Set<string>();
  const twice = keys.find((key) => once.size === once.add(key).size);
  if (twice !== undefined)
    report(
      "error",
      "duplicate-metadata",
      NOWHERE,
      `The metadata key "${twice}" is there twice.`,
      "Remove one of them.",
    );
  for (const graph of model.graphs.values()) checkGraph(model, graph, null, report);
  for (const f of model.functions) {
    const name = functionName(f);
    for (const graph of f.graphs.values()) checkGraph(model, graph, name, report);
  }
  return findings;
}

/** The same of the graphs of training. */
export function trainingFindings(model: Model, training: readonly TrainingInfo[]): Finding[] {
  const findings: Finding[] = [];
  for (const { number, initialization, algorithm } of training)
    for (const [part, { graphs }] of Object.entries({ initialization, algorithm })) {
      const inTraining = `${part} ${number}`;
      for (const graph of graphs.values())
        checkGraph(model, graph, null, (severity, code, place, message, fix) =>
          findings.push({ severity, code, place: { ...place, inTraining }, message, fix }),
        );
    }
  return findings;
}

/** Names of initializers that a Model does not show, by graph. */
export function hiddenNames(model: Model, path: GraphPath): string[] {
  const graph = model.graphs.get(graphKey(path));
  return graph ? hiddenIn(graph) : [];
}

function checkGraph(model: Model, graph: Graph, inFunction: string | null, report: Report): void {
  const origin = originOf(graph, "onnx graph");
  const place = (name: string | null): ReturnType<typeof inGraph> =>
    inGraph(graph, inFunction, name);
  if (origin) {
    const { message } = origin;
    if (message.name === "")
      report("error", "graph-name", place(null), "The graph has no name.", "Give it one.");
    if (graph.path.length === 0)
      for (const info of [...message.input, ...message.output]) checkValue(info, place, report);
    const names = new Set<string>();
    const sparse = message.sparseInitializer.flatMap(({ values }) => values ?? []);
    for (const { name } of [...message.initializer, ...sparse]) {
      if (name === "")
        report(
          "error",
          "no-name",
          place(null),
          "An initializer has no name.",
          "Give it one, or remove it.",
        );
      else if (names.has(name))
        report(
          "error",
          "duplicate-name",
          place(name),
          `There are two initializers "${name}".`,
          "Remove one of them, or give it a name of its own.",
        );
      names.add(name);
    }
    for (const one of message.sparseInitializer) checkSparse(one, place, report);
    for (const tensor of message.initializer)
      checkTensor(tensor, place(tensor.name), `The initializer "${tensor.name}"`, report);
  }
  for (const node of graph.nodes) checkNode(model, graph, node, inFunction, report);
}

function checkValue(
  info: ValueInfoProto,
  place: (name: string) => ReturnType<typeof inGraph>,
  report: Report,
): void {
  const say = (what: string, fix: string): void =>
    report("error", "value-type", place(info.name), `"${info.name}" ${what}.`, fix);
  if (info.name === "")
    report("error", "no-name", place(""), "A graph input or output has no name.", "Give it one.");
  const kind = info.type?.value;
  if (!kind?.case) say("has no type", "Declare its element type and shape.");
  else if (kind.case === "tensorType") {
    if (!isSet(kind.value, "elemType")) say("has no element type", "Declare it.");
    if (!kind.value.shape)
      say("is declared without a shape", "Declare one; unknown sizes may stay open.");
  } else if (kind.case === "sparseTensorType") {
    if (!isSet(kind.value, "elemType")) say("has no element type", "Declare it.");
    if (!kind.value.shape) say("is declared without a shape", "Declare one.");
  } else if (kind.case === "mapType") {
    if (!isSet(kind.value, "keyType")) say("has no type of keys", "Declare it.");
    if (!kind.value.valueType) say("has no type of values", "Declare it.");
  } else if (kind.case === "opaqueType") {
    if (kind.value.name === "") say("has an opaque type without a name", "Name it.");
  } else if (!kind.value.elemType) say("has no element type", "Declare it.");
}

/** Indices are positions in the flat tensor, or one row of coordinates per value. */
function checkSparse(
  { dims, indices, values }: SparseTensorProto,
  place: (name: string) => ReturnType<typeof inGraph>,
  report: Report,
): void {
  const name = values?.name ?? "";
  const say = (what: string, fix: string): void =>
    report("error", "sparse-tensor", place(name), `The sparse tensor "${name}" ${what}.`, fix);
  if (!values || dims.length === 0) return say("has no values or no shape", "Give it both.");
  for (const [tensor, what] of [
    [values, "values"],
    [indices, "indices"],
  ] as const)
    if (tensor)
      checkTensor(
        tensor,
        place(name),
        `Of the sparse tensor "${name}" the list of ${what}`,
        report,
      );
  const count = values.dims[0] ?? 0n;
  if (dims.some((dim) => dim <= 0n))
    say(`has the shape [${dims.join(", ")}]`, "Sizes of a sparse tensor are positive.");
  if (indices && indices.dataType !== INT64)
    say("has indices that are not int64", "Store them as int64.");
  const list = indices ? int64sOf(indices) : [];
  const isFlat = indices?.dims.length === 1;
  if (values.dims.length !== 1)
    say("has values of more than one dimension", "Store them as one list.");
  else if (indices?.dims[0] !== count)
    say(`has ${count} values and ${indices?.dims[0] ?? 0n} indices`, "Give each value one index.");
  const total = dims.reduce((product, dim) => product * dim, 1n);
  const limit = (i: number): bigint => (isFlat ? total : (dims[i % dims.length] ?? 0n));
  const outside = list.findIndex((index, i) => index < 0n || index >= limit(i));
  if (outside >= 0)
    say(
      `has the index ${list[outside]}, and the largest is ${limit(outside) - 1n}`,
      "Correct the index or the shape.",
    );
  else if (isFlat && list.some((index, i) => index <= (list[i - 1] ?? -1n)))
    say("has indices out of order", "Sort its values by index, each index once.");
}

const INT64 = 7;
/** Numbers in the message itself; none of those that stay in the file. */
function int64sOf(tensor: TensorProto): readonly bigint[] {
  if (!isSet(tensor, "rawData")) return tensor.int64Data;
  const { rawData } = tensor;
  if (readMarker(rawData)) return [];
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.length);
  const count = Math.floor(rawData.length / 8);
  return Array.from({ length: count }, (_, i) => view.getBigInt64(8 * i, true));
}

function checkTensor(
  tensor: TensorProto,
  place: ReturnType<typeof inGraph>,
  subject: string,
  report: Report,
): void {
  if (tensor.dataType === 0)
    report("error", "tensor-type", place, `${subject} has no element type.`, "Set its data_type.");
  const filled = [
    tensor.floatData,
    tensor.int32Data,
    tensor.int64Data,
    tensor.doubleData,
    tensor.uint64Data,
    tensor.stringData,
  ].filter((list) => list.length > 0).length;
  const total = filled + (isSet(tensor, "rawData") ? 1 : 0);
  if (filled > 0 && tensor.dataType !== 0 && !dtypeFromOnnx(tensor.dataType))
    report(
      "error",
      "tensor-type",
      place,
      `${subject} has the unknown element type ${tensor.dataType}.`,
      "Set one of ONNX; where it is newer than Lathe, its values belong in raw_data.",
    );
  if (isExternal(tensor) && total > 0)
    report(
      "error",
      "tensor-data",
      place,
      `${subject} has its values in an external file and in the model.`,
      "Keep one of them.",
    );
  if (total > 1)
    report(
      "error",
      "tensor-data",
      place,
      `${subject} stores its values in ${total} fields at once.`,
      "Keep one of them.",
    );
}

function checkNode(
  model: Model,
  graph: Graph,
  node: GraphNode,
  inFunction: string | null,
  report: Report,
): void {
  const place = atNode(graph.path, inFunction, node);
  if (node.inputs.length === 0 && node.outputs.length === 0)
    report("error", "idle-node", place, "The node has neither inputs nor outputs.", "Remove it.");
  const origin = originOf(node, "onnx node");
  if (!origin || origin.attrs !== node.attrs) return;
  const seen = new Set<string>();
  for (const attribute of origin.message.attribute) {
    checkAttribute(model, attribute, place, report);
    if (seen.has(attribute.name))
      report(
        "error",
        "duplicate-attribute",
        place,
        `The attribute "${attribute.name}" is there twice.`,
        "Remove one of them.",
      );
    seen.add(attribute.name);
  }
}

const FIELDS = [
  ["f", 1],
  ["i", 2],
  ["s", 3],
  ["t", 4],
  ["g", 5],
  ["sparseTensor", 11],
  ["tp", 13],
] as const;
const LISTS = [
  ["floats", 6],
  ["ints", 7],
  ["strings", 8],
  ["tensors", 9],
  ["graphs", 10],
  ["sparseTensors", 12],
  ["typeProtos", 14],
] as const;

function checkAttribute(
  model: Model,
  attribute: AttributeProto,
  place: ReturnType<typeof atNode>,
  report: Report,
): void {
  const say = (what: string, fix: string): void =>
    report("error", "attribute-value", place, `The attribute "${attribute.name}" ${what}.`, fix);
  if (attribute.name === "")
    report(
      "error",
      "attribute-value",
      place,
      "An attribute has no name.",
      "Give it one, or remove it.",
    );
  if (attribute.type === 0 && model.irVersion >= 2)
    say(`does not say its type, which IR version ${model.irVersion} asks for`, "Set its type.");
  const filled = [
    ...FIELDS.filter(([field]) => isSet(attribute, field)),
    ...LISTS.filter(([field]) => attribute[field].length > 0),
  ];
  if (filled.length > 1)
    say(`has values in ${filled.map(([field]) => field).join(" and ")}`, "Keep one of them.");
  const [first] = filled;
  if (attribute.refAttrName !== "") {
    if (place.inFunction !== null) {
      if (place.graph.length > 0 && first)
        say(
          `refers to "${attribute.refAttrName}" of the function and has a value of its own`,
          "Keep one of them.",
        );
    } else say(`refers to an attribute of a function, and the node is in none`, "Write its value.");
    return;
  }
  if (attribute.type !== 0 && first && filled.length === 1 && first[1] !== attribute.type)
    say(`has a value that is not of the type it says`, "Set the type of its value.");
  if (attribute.type !== 0 && !first && FIELDS.some(([, type]) => type === attribute.type))
    say("has no value", "Set it, or remove the attribute.");
  if (attribute.t) checkTensor(attribute.t, place, `The tensor in "${attribute.name}"`, report);
}
