/**
 * Models with one named defect each, made from small correct ones by a seeded choice of where. The
 * bench and a test compare what `lathe validate` says of them with the ONNX checker's verdicts.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
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
  ValueInfoProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from "../../src/formats/onnx_pb.ts";
import { onnxFromText } from "./graphText.ts";
import { randomSource } from "./random.ts";

export interface BrokenModel {
  /** "missing input #2": the defect and a number. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A file of eight bytes that has to be beside the models. */
export const SIDE_FILE = "eight.bin";

const BASES: readonly string[] = [
  `opset 17
   input x float32 [2, 64]
   w1 = float32 [64, 32] normal
   b1 = float32 [32] normal
   w2 = float32 [32, 10] normal
   a = MatMul(x, w1)
   b = Add(a, b1)
   c = Relu(b)
   d = MatMul(c, w2)
   y = Softmax(d) { axis: -1 }
   output y float32 [2, 10]`,
  `opset 13
   input x float32 [1, 3, 8, 8]
   w1 = float32 [4, 3, 3, 3] normal
   w2 = float32 [4, 4, 1, 1] normal
   to = int64 [2] [1, 64]
   w3 = float32 [64, 5] normal
   a = Conv(x, w1) { pads: [1, 1, 1, 1] }
   b = Relu(a)
   c = Conv(b, w2)
   s = Add(b, c)
   p = MaxPool(s) { kernel_shape: [2, 2], strides: [2, 2] }
   f = Reshape(p, to)
   y = Gemm(f, w3)
   output y float32 [1, 5]`,
  `opset 18
   input x float32 [4, 6]
   input t bool []
   k = float32 [6] normal
   ax = int64 [1] [1]
   u = Transpose(x) { perm: [1, 0] }
   v = Transpose(u) { perm: [1, 0] }
   i = If(t) {
     then_branch: graph { p = Mul(v, k) output p float32 },
     else_branch: graph { q = Sub(v, k) output q float32 }
   }
   g = Concat(i, v) { axis: 0 }
   r = ReduceSum(g, ax) { keepdims: 0 }
   y = Sqrt(r)
   output y float32 [8]`,
];

interface Site {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  /** One of the items, by the seed. */
  readonly pick: <T>(items: readonly T[]) => T;
  /** A node with inputs, by the seed. */
  readonly node: () => NodeProto;
}
type Defect = (site: Site) => void;

const node = (opType: string, input: string[], output: string[]): NodeProto =>
  create(NodeProtoSchema, { opType, input, output });
const intAttribute = (name: string, i: number) =>
  create(AttributeProtoSchema, { name, type: 2, i: BigInt(i) });
const tensorType = (elemType: number, dims: readonly number[] | null) =>
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
class NoSuchNode extends Error {}
const named = (graph: GraphProto, op: string): NodeProto | undefined =>
  graph.node.find(({ opType }) => opType === op);
/** The node that the base has of any of these operators. */
const oneOf = (graph: GraphProto, ...ops: string[]): NodeProto => {
  const found = ops.map((op) => named(graph, op)).find((n) => n !== undefined);
  if (!found) throw new NoSuchNode(ops.join());
  return found;
};
const initializer = (
  graph: GraphProto,
  name: string,
  dims: readonly number[],
  values: number[],
) => {
  graph.initializer.push(
    create(TensorProtoSchema, {
      name,
      dims: dims.map(BigInt),
      dataType: 1,
      rawData: new Uint8Array(new Float32Array(values).buffer),
    }),
  );
};
const lastOutput = (graph: GraphProto): string => graph.output[0]?.name ?? "";

export const DEFECTS: Readonly<Record<string, Defect>> = {
  // names and order
  "missing input": ({ node }) => {
    node().input[0] = "nowhere";
  },
  cycle: ({ graph }) => {
    const first = graph.node[0]!;
    first.input[0] = graph.node.at(-2)!.output[0]!;
  },
  "node uses its own output": ({ node }) => {
    const n = node();
    n.input[0] = n.output[0]!;
  },
  "not sorted": ({ graph, pick }) => {
    const i = pick(graph.node.slice(0, -1).map((_, at) => at));
    graph.node.splice(i, 2, graph.node[i + 1]!, graph.node[i]!);
  },
  "output named twice": ({ graph, pick }) => {
    const n = pick(graph.node.slice(1));
    graph.node.push(node("Relu", [n.input[0]!], [n.output[0]!]));
  },
  "output named as an input": ({ graph }) => {
    graph.node.push(node("Relu", [graph.node[0]!.output[0]!], [graph.input[0]!.name]));
  },
  "output named as an initializer": ({ graph, pick }) => {
    graph.node.push(node("Relu", [graph.node[0]!.output[0]!], [pick(graph.initializer).name]));
  },
  "input listed twice": ({ graph }) => {
    graph.input.push(graph.input[0]!);
  },
  "initializer twice": ({ graph, pick }) => {
    graph.initializer.push(pick(graph.initializer));
  },
  "initializer without a name": ({ graph }) => {
    initializer(graph, "", [1], [1]);
  },
  "graph without a name": ({ graph }) => {
    graph.name = "";
  },
  "graph output that nothing makes": ({ graph }) => {
    graph.output.push(create(ValueInfoProtoSchema, { name: "ghost", type: tensorType(1, [1]) }));
  },
  // operators
  "operator unknown": ({ node }) => {
    node().opType = "Relux";
  },
  "operator too new": ({ graph }) => {
    graph.node.push(node("Swish", [lastOutput(graph)], ["late"]));
  },
  "operator removed": ({ graph }) => {
    initializer(graph, "scales", [2], [2, 2]);
    graph.node.push(node("Upsample", [lastOutput(graph), "scales"], ["late"]));
  },
  "operator without a name": ({ node }) => {
    node().opType = "";
  },
  "domain not imported": ({ node }) => {
    node().domain = "com.example";
  },
  "too few inputs": ({ graph }) => {
    oneOf(graph, "MatMul", "Gemm", "Concat").input.length = 0;
  },
  "too many inputs": ({ graph }) => {
    const n = oneOf(graph, "Relu", "Sqrt");
    n.input.push(n.input[0]!);
  },
  "input left empty": ({ graph }) => {
    oneOf(graph, "MatMul", "Conv", "Concat").input[0] = "";
  },
  "too many outputs": ({ graph }) => {
    oneOf(graph, "Relu", "Sqrt").output.push("more");
  },
  "node without inputs and outputs": ({ graph }) => {
    graph.node.push(node("Relu", [], []));
  },
  // attributes
  "attribute unknown": ({ node }) => {
    node().attribute.push(intAttribute("colour", 3));
  },
  "attribute of another version": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "ReduceSum").attribute.push(
      intAttribute("consumed_inputs", 1),
    );
  },
  "attribute of a wrong type": ({ graph }) => {
    const n = oneOf(graph, "Softmax", "Conv", "Concat");
    n.attribute = [
      create(AttributeProtoSchema, {
        name: n.opType === "Conv" ? "group" : "axis",
        type: 1,
        f: 1,
      }),
    ];
  },
  "attribute missing": ({ graph }) => {
    const n = named(graph, "MaxPool") ?? named(graph, "Concat");
    if (n) n.attribute = [];
    else graph.node.push(node("Concat", [lastOutput(graph)], ["late"]));
  },
  "attribute without a type": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute.forEach((a) => (a.type = 0));
  },
  "attribute with two values": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute[0]!.f = 2;
  },
  "attribute refers to a function's": ({ graph }) => {
    oneOf(graph, "Softmax", "MaxPool", "Concat").attribute[0]!.refAttrName = "axis";
  },
  // model
  "no operator set": ({ model }) => {
    model.opsetImport = [];
  },
  "operator set from the future": ({ model }) => {
    model.opsetImport[0]!.version = 99n;
  },
  "IR version missing": ({ model }) => {
    model.irVersion = 0n;
  },
  "IR version from the future": ({ model }) => {
    model.irVersion = 99n;
  },
  "IR version 3 without initializers as inputs": ({ model }) => {
    model.irVersion = 3n;
  },
  "metadata key twice": ({ model }) => {
    for (const value of ["a", "b"])
      model.metadataProps.push(create(StringStringEntryProtoSchema, { key: "k", value }));
  },
  // tensors
  "data too short": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    t.rawData = t.rawData.subarray(0, t.rawData.length - 4);
  },
  "shape larger than the data": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    t.dims[0] = (t.dims[0] ?? 1n) + 1n;
  },
  "tensor without a type": ({ graph, pick }) => {
    pick(graph.initializer).dataType = 0;
  },
  "tensor with values in two fields": ({ graph, pick }) => {
    pick(graph.initializer).floatData = [1];
  },
  "negative dimension": ({ graph, pick }) => {
    pick(graph.initializer).dims[0] = -1n;
  },
  "external file missing": ({ graph, pick }) => {
    const t = pick(graph.initializer);
    external(t, { location: "weights.bin" });
  },
  "external path outside": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: "../weights.bin" });
  },
  "external data past the end": ({ graph, pick }) => {
    external(pick(graph.initializer), { location: SIDE_FILE, offset: "4", length: "4000" });
  },
  "external without a location": ({ graph, pick }) => {
    external(pick(graph.initializer), { offset: "0" });
  },
  "sparse tensor with an index outside": ({ graph }) => {
    graph.sparseInitializer.push(
      create(SparseTensorProtoSchema, {
        dims: [4n],
        values: { name: "sp", dims: [1n], dataType: 1, floatData: [1] },
        indices: { dims: [1n], dataType: 7, int64Data: [9n] },
      }),
    );
  },
  // values
  "input without a type": ({ graph }) => {
    delete graph.input[0]!.type;
  },
  "input without a shape": ({ graph }) => {
    graph.input[0]!.type = tensorType(1, null);
  },
  "output declared as another type": ({ graph }) => {
    graph.output[0]!.type = tensorType(7, [1]);
  },
  "output declared with another shape": ({ graph }) => {
    graph.output[0]!.type = tensorType(1, [3, 3, 3]);
  },
  "value declared with another shape": ({ graph, node }) => {
    graph.valueInfo.push(
      create(ValueInfoProtoSchema, {
        name: node().output[0]!,
        type: tensorType(1, [7, 7, 7, 7, 7]),
      }),
    );
  },
  // types and shapes
  "inputs of two types": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "ints", dims: [1n], dataType: 7, int64Data: [1n] }),
    );
    graph.node.push(node("Add", [lastOutput(graph), "ints"], ["late"]));
  },
  "type not allowed": ({ graph }) => {
    graph.initializer.push(
      create(TensorProtoSchema, { name: "flag", dims: [1n], dataType: 9, int32Data: [1] }),
    );
    graph.node.push(node("Sqrt", ["flag"], ["late"]));
  },
  "inner sizes differ": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2, 3], [1, 2, 3, 4, 5, 6]);
    graph.node.push(node("MatMul", ["m1", "m2"], ["late"]));
  },
  "shapes do not broadcast": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2], [1, 2]);
    graph.node.push(node("Mul", ["m1", "m2"], ["late"]));
  },
  "joined along other sizes": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    initializer(graph, "m2", [2, 2], [1, 2, 3, 4]);
    const concat = node("Concat", ["m1", "m2"], ["late"]);
    concat.attribute.push(intAttribute("axis", 0));
    graph.node.push(concat);
  },
  "axis out of range": ({ graph }) => {
    const softmax = node("Softmax", [lastOutput(graph)], ["late"]);
    softmax.attribute.push(intAttribute("axis", 7));
    graph.node.push(softmax);
  },
  "weight for other channels": ({ graph }) => {
    initializer(
      graph,
      "image",
      [1, 2, 3, 3],
      Array.from({ length: 18 }, () => 1),
    );
    initializer(graph, "kernel", [1, 3, 1, 1], [1, 1, 1]);
    graph.node.push(node("Conv", ["image", "kernel"], ["late"]));
  },
  "reshaped to another size": ({ graph }) => {
    initializer(graph, "m1", [2, 3], [1, 2, 3, 4, 5, 6]);
    graph.initializer.push(
      create(TensorProtoSchema, { name: "to", dims: [2n], dataType: 7, int64Data: [4n, 2n] }),
    );
    graph.node.push(node("Reshape", ["m1", "to"], ["late"]));
  },
  // bodies and functions
  "missing input in a body": ({ graph }) => {
    body(graph).node[0]!.input[0] = "nowhere";
  },
  "body output named as an outer value": ({ graph }) => {
    const inner = body(graph);
    inner.node[0]!.output[0] = graph.node[0]!.output[0]!;
    inner.output[0]!.name = graph.node[0]!.output[0]!;
  },
  "function without operator set": (site) => {
    withFunction(site, {}).opsetImport = [];
  },
  "function with a missing input": (site) => {
    withFunction(site, {}).node[0]!.input[0] = "nowhere";
  },
  "function with an unknown operator": (site) => {
    withFunction(site, {}).node[0]!.opType = "Relux";
  },
  "function refers to no attribute of its": (site) => {
    const f = withFunction(site, {});
    f.node[0]!.opType = "LeakyRelu";
    f.node[0]!.attribute.push(
      create(AttributeProtoSchema, { name: "alpha", type: 1, refAttrName: "slope" }),
    );
  },
};

function external(
  tensor: GraphProto["initializer"][number],
  entries: Readonly<Record<string, string>>,
): void {
  tensor.rawData = new Uint8Array(0);
  delete (tensor as { rawData?: Uint8Array }).rawData;
  tensor.dataLocation = 1;
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
}

/** The first branch of an If, which is added where there is none. */
function body(graph: GraphProto): GraphProto {
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

function withFunction({ model, graph }: Site, extra: { readonly attribute?: string[] }) {
  const f = create(FunctionProtoSchema, {
    domain: "my",
    name: "F",
    input: ["a"],
    output: ["b"],
    node: [node("Relu", ["a"], ["b"])],
    opsetImport: model.opsetImport.map(({ domain, version }) => ({ domain, version })),
    ...extra,
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

/** `count` broken models: every defect in turn, each time in another base at another place. */
export function brokenModels(count: number, seed: number): BrokenModel[] {
  const random = randomSource(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const defects = Object.entries(DEFECTS);
  return Array.from({ length: count }, (_, i) => {
    const [name, apply] = defects[i % defects.length]!;
    const round = Math.floor(i / defects.length);
    // Not every base has the operator that a defect needs.
    for (let turn = 0; turn < BASES.length; turn++) {
      const text = BASES[(i + round + turn) % BASES.length]!;
      const model = fromBinary(ModelProtoSchema, onnxFromText(text));
      const graph = model.graph!;
      // Every node but If has inputs that can be changed without meaning something else.
      const node = (): NodeProto => pick(graph.node.filter(({ opType }) => opType !== "If"));
      try {
        apply({ model, graph, pick, node });
      } catch (error) {
        if (error instanceof NoSuchNode) continue;
        throw error;
      }
      return { name: `${name} #${round + 1}`, bytes: toBinary(ModelProtoSchema, model) };
    }
    throw new Error(`no base for "${name}"`);
  });
}
