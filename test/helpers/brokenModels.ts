/**
 * Models with one named defect each, made from small correct ones by a seeded choice of where. The
 * bench and a test compare what `lathe validate` says of them with the ONNX checker's verdicts.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type NodeProto } from "../../src/formats/onnx_pb.ts";
import { FUNCTIONS } from "./broken/functions.ts";
import { NAMES } from "./broken/names.ts";
import { OPERATORS } from "./broken/operators.ts";
import { NoSuchNode, type Defects } from "./broken/site.ts";
import { TENSORS } from "./broken/tensors.ts";
import { TYPES } from "./broken/types.ts";
import { onnxFromText } from "./graphText.ts";
import { randomSource } from "./random.ts";

export { SIDE_FILE } from "./broken/site.ts";

export interface BrokenModel {
  /** "missing input #2": the defect and a number. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

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

export const DEFECTS: Defects = { ...NAMES, ...OPERATORS, ...TENSORS, ...TYPES, ...FUNCTIONS };

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
