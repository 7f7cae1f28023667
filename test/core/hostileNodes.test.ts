/**
 * Nodes of every operator with any number of inputs, of any shapes, and any attributes: inference, cost
 * and validation answer, whatever a file asks.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costOf } from "../../src/core/cost.ts";
import { inferShapes } from "../../src/core/shapeInference.ts";
import schemas from "../../src/core/validate/schemas.json";
import { validateModel } from "../../src/core/validate/index.ts";
import type { Attribute, Graph, GraphNode, Model, Tensor } from "../../src/core/model.ts";
import { graphKey, MAIN, mainGraph } from "../../src/core/model.ts";
import { dtype } from "../../src/shared/dtype.ts";
import { readOnnx, withGraph } from "../formats/make.ts";
import { randomSource } from "../helpers/random.ts";

const random = randomSource(7);
const below = (n: number): number => Math.floor(random() * n);
const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;

const NUMBERS = [
  0,
  1,
  2,
  3,
  -1,
  -2,
  7,
  99,
  -99,
  2 ** 31,
  -(2 ** 31),
  2 ** 62,
  -(2 ** 63),
  NaN,
  Infinity,
];
const numbers = (): number[] => Array.from({ length: below(7) }, () => pick(NUMBERS));
const TEXTS = [
  "",
  "NOTSET",
  "SAME_UPPER",
  "VALID",
  "ab,bc->ac",
  "...,->",
  "->",
  "constant",
  "nearest",
  "\u0000",
];

function attribute(): Attribute {
  switch (below(7)) {
    case 0:
      return { kind: "int", value: pick(NUMBERS) };
    case 1:
      return { kind: "float", value: pick(NUMBERS) };
    case 2:
      return { kind: "string", value: pick(TEXTS) };
    case 3:
      return { kind: "ints", value: numbers() };
    case 4:
      return { kind: "floats", value: numbers() };
    case 5:
      return { kind: "strings", value: [pick(TEXTS)] };
    default:
      return { kind: "graph", path: pick([MAIN, ["body", "b"]]) };
  }
}

/** Names that attributes have anywhere, so that rules find them. */
const ATTRIBUTES = [
  ..."axis axes perm to shape value value_ints pads strides dilations kernel_shape group auto_pad".split(
    " ",
  ),
  ..."equation blocksize num_outputs split keepdims hidden_size direction body then_branch".split(
    " ",
  ),
  ..."else_branch num_scan_inputs scan_input_axes output_shape output_padding mode scale".split(
    " ",
  ),
  ..."num_heads q_num_heads kv_num_heads batch_dims k K N bits block_size border sizes".split(" "),
];

const INT64 = dtype("int64");
function constant(name: string, values: readonly number[]): Tensor {
  const at = new Uint8Array(8 * values.length);
  const view = new DataView(at.buffer);
  values.forEach((v, i) =>
    view.setBigInt64(8 * i, Number.isFinite(v) ? BigInt.asIntN(64, BigInt(v)) : 0n, true),
  );
  return {
    name,
    dtype: INT64,
    shape: pick([[values.length], [values.length, 1]]),
    at,
    sizeBytes: at.length,
  };
}

const SIZES = [0, 1, 2, 3, 8, null, "n", 2 ** 40];
function modelOf(ops: readonly (readonly [domain: string, op: string])[]): Model {
  const base = readOnnx(withGraph({ name: "g" }));
  const tensors = new Map(
    Array.from({ length: 6 }, (_, i) => [`c${i}`, constant(`c${i}`, numbers())] as const),
  );
  const inputs = Array.from({ length: 6 }, (_, i) => `x${i}`);
  const values = new Map(
    inputs.map((name) => [
      name,
      {
        name,
        dtype: pick([dtype("float32"), INT64, dtype("string"), null]),
        shape: pick([null, Array.from({ length: below(6) }, () => pick(SIZES))]),
        type: "tensor" as const,
      },
    ]),
  );
  const names = ["", ...inputs, ...tensors.keys()];
  const nodes = ops.map(([domain, op], i): GraphNode => {
    const attrs = Array.from({ length: below(6) }, () => [pick(ATTRIBUTES), attribute()] as const);
    const node: GraphNode = {
      name: "",
      op,
      domain,
      inputs: Array.from({ length: below(8) }, () => pick(names)),
      outputs: Array.from({ length: below(4) }, (_, k) => `v${i}.${k}`),
      attrs: Object.fromEntries(attrs),
    };
    names.push(...node.outputs);
    return node;
  });
  const graph: Graph = { ...mainGraph(base), nodes, inputs, values, tensors };
  const body: Graph = {
    ...graph,
    path: ["body", "b"],
    nodes: nodes.slice(0, 2),
    inputs: numbers().map((_, i) => `in${i}`),
    outputs: pick([[], ["v0.0"], ["v0.0", "v1.0", "nothing"]]),
  };
  const opset = pick([1, 7, 11, 13, 18, 22, 25]);
  return {
    ...base,
    opsets: new Map([
      ["", opset],
      ["ai.onnx.ml", 3],
      ["com.microsoft", 1],
    ]),
    graphs: new Map([
      [graphKey(MAIN), graph],
      [graphKey(body.path), body],
    ]),
  };
}

describe("nodes as a file may have them", () => {
  const all = Object.entries(schemas.operators).flatMap(([domain, operators]) =>
    Object.keys(operators).flatMap((op) => {
      const own = [[domain, op] as const];
      return domain === "" ? [...own, ["com.microsoft", op] as const] : own;
    }),
  );
  for (const round of Array.from({ length: 6 }, (_, i) => i))
    it(`are all answered, round ${round}`, () => {
      for (let at = 0; at < all.length; at += 8) {
        const model = modelOf(all.slice(at, at + 8));
        const [first] = model.graphs.values();
        const text = (): string =>
          JSON.stringify(first!.nodes, (_, v: unknown) => (v === Infinity ? "inf" : v));
        try {
          inferShapes(model);
          costOf(model);
          for (const { message, fix } of validateModel(model, () => []))
            assert.ok(message !== "" && fix !== "");
        } catch (error) {
          throw new Error(`${error instanceof Error ? error.stack : String(error)} for ${text()}`, {
            cause: error,
          });
        }
      }
    });
});
