/** What defects are made with: a small correct model, and choices by a seed. */
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  FunctionProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProtoSchema,
  TypeProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
  type TypeProto,
} from "../../../src/formats/onnx_pb.ts";
import { onnxFromText } from "../graphText.ts";

export interface Site {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  /** One of the items, by the seed. */
  readonly pick: <T>(items: readonly T[]) => T;
  /** A node with inputs, by the seed. */
  readonly node: () => NodeProto;
}
export type Defects = Readonly<Record<string, (site: Site) => void>>;

/** A file of eight bytes that has to be beside the models. */
export const SIDE_FILE = "eight.bin";

export const node = (opType: string, input: string[], output: string[]): NodeProto =>
  create(NodeProtoSchema, { opType, input, output });
export const intAttribute = (name: string, i: number): AttributeProto =>
  create(AttributeProtoSchema, { name, type: 2, i: BigInt(i) });
export const tensorType = (elemType: number, dims: readonly number[] | null): TypeProto =>
  create(TypeProtoSchema, {
    value: {
      case: "tensorType",
      value: {
        elemType,
        ...(dims
          ? {
              shape: create(TensorShapeProtoSchema, {
                dim: dims.map((dim) => ({
                  value: { case: "dimValue" as const, value: BigInt(dim) },
                })),
              }),
            }
          : {}),
      },
    },
  });
export class NoSuchNode extends Error {}
export const named = (graph: GraphProto, op: string): NodeProto | undefined =>
  graph.node.find(({ opType }) => opType === op);
/** The node that the base has of any of these operators. */
export const oneOf = (graph: GraphProto, ...ops: string[]): NodeProto => {
  const found = ops.map((op) => named(graph, op)).find((n) => n !== undefined);
  if (!found) throw new NoSuchNode(ops.join());
  return found;
};
export const initializer = (
  graph: GraphProto,
  name: string,
  dims: readonly number[],
  values: readonly number[] = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 1),
): void => {
  graph.initializer.push(
    create(TensorProtoSchema, {
      name,
      dims: dims.map(BigInt),
      dataType: 1,
      rawData: new Uint8Array(new Float32Array(values).buffer),
    }),
  );
};
export const lastOutput = (graph: GraphProto): string => graph.output[0]?.name ?? "";

export const intsAttribute = (name: string, ints: readonly number[]): AttributeProto =>
  create(AttributeProtoSchema, { name, type: 7, ints: ints.map(BigInt) });
export const ints = (graph: GraphProto, name: string, values: readonly number[]): void => {
  graph.initializer.push(
    create(TensorProtoSchema, {
      name,
      dims: [BigInt(values.length)],
      dataType: 7,
      int64Data: values.map(BigInt),
    }),
  );
};
/** One more node, after all others. */
export const late = (
  graph: GraphProto,
  opType: string,
  input: string[],
  ...attribute: AttributeProto[]
): NodeProto => {
  const added = node(opType, input, ["late"]);
  added.attribute = attribute;
  graph.node.push(added);
  return added;
};

/** Unsets the field, which proto2 tells from an empty one. */
export function withoutRaw(tensor: TensorProto): TensorProto {
  Reflect.deleteProperty(tensor, "rawData");
  return tensor;
}

export function external(tensor: TensorProto, entries: Readonly<Record<string, string>>): void {
  withoutRaw(tensor).dataLocation = 1;
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
}

/** The first branch of an If, which is added where there is none. */
export function body(graph: GraphProto): GraphProto {
  const known = named(graph, "If");
  if (known) return known.attribute[0]!.g!;
  const branches = ["then_branch", "else_branch"].map((name, i) =>
    create(AttributeProtoSchema, {
      name,
      type: 5,
      g: {
        name,
        node: [node("Relu", [lastOutput(graph)], [`branch${i}`])],
        output: [{ name: `branch${i}` }],
      },
    }),
  );
  graph.initializer.push(
    create(TensorProtoSchema, { name: "which", dims: [], dataType: 9, int32Data: [1] }),
  );
  const choice = node("If", ["which"], ["late"]);
  choice.attribute = branches;
  graph.node.push(choice);
  return branches[0]!.g!;
}

export function withFunction({ model, graph }: Site): FunctionProto {
  const f = create(FunctionProtoSchema, {
    domain: "my",
    name: "F",
    input: ["a"],
    output: ["b"],
    node: [node("Relu", ["a"], ["b"])],
    opsetImport: model.opsetImport.map(({ domain, version }) => ({ domain, version })),
  });
  model.functions.push(f);
  model.opsetImport.push(
    ...fromBinary(ModelProtoSchema, onnxFromText("opset my 1")).opsetImport.filter(
      (o) => o.domain === "my",
    ),
  );
  const call = node("F", [lastOutput(graph)], ["late"]);
  call.domain = "my";
  graph.node.push(call);
  return f;
}

/** A sparse initializer, right but for what is given. */
export function sparse(
  graph: GraphProto,
  {
    name = "sp",
    values = [1],
    indices = [1],
  }: {
    readonly name?: string;
    readonly values?: readonly number[];
    readonly indices?: readonly number[];
  },
): SparseTensorProto {
  const made = create(SparseTensorProtoSchema, {
    dims: [4n],
    values: { name, dims: [BigInt(values.length)], dataType: 1, floatData: [...values] },
    indices: {
      dims: [BigInt(indices.length)],
      dataType: 7,
      int64Data: indices.map(BigInt),
    },
  });
  graph.sparseInitializer.push(made);
  return made;
}
