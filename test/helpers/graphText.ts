/**
 * Graphs as text in tests, and back.
 *
 *     opset 17
 *     input x float32 [2, 64]
 *     w = float32 [64, 32] normal
 *     y = MatMul(x, w)
 *     z = Gemm(y, w, ) { transB: 1, alpha: 0.5 }
 *     output z float32 [2, 64]
 *
 * A tensor is filled with `normal`, `uniform`, `ones`, `zeros`, `range`, `nan` (one of them among
 * normal values), a scaled fill (`normal * 0.02`), or listed values (`[1, 2]` after its shape).
 * Attributes hold numbers (with a point: float), lists, strings, tensors and `graph { … }`; a domain is
 * written before the operator (`com.microsoft.MatMulNBits`). `opset DOMAIN VERSION`, `ir VERSION` and
 * `initializer-input NAME` (an initializer listed as an input too) complete it.
 */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Graph, Model } from "../../src/core/model.ts";
import {
  type AttributeProtoSchema,
  type GraphProtoSchema,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from "../../src/formats/onnx_pb.ts";
import { referenceKernels } from "../../src/kernels/reference.ts";
import {
  dtype,
  dtypeFromOnnx,
  DTYPES,
  elementCount,
  type DtypeName,
} from "../../src/shared/dtype.ts";
import { gaussian, uniform } from "./random.ts";

type GraphInit = MessageInitShape<typeof GraphProtoSchema>;
type NodeInit = MessageInitShape<typeof NodeProtoSchema>;
type AttributeInit = MessageInitShape<typeof AttributeProtoSchema>;
type TensorInit = MessageInitShape<typeof TensorProtoSchema>;
type ValueInit = MessageInitShape<typeof ValueInfoProtoSchema>;

const TOKEN =
  /\s+|#[^\n]*|("(?:[^"\\]|\\.)*"|-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)(?![\w])|[A-Za-z_/][\w./-]*|[[\]{}(),=:*])/y;

function tokens(text: string): string[] {
  const out: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new Error(`graph text: unexpected "${text.slice(at, at + 20)}"`);
    if (match[1] !== undefined) out.push(match[1]);
  }
  return out;
}

/** ONNX attribute type codes. */
const TYPE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 };
const encoder = new TextEncoder();
const DTYPE_NAMES = new Set<string>(DTYPES.map((d) => d.name));

/** The ONNX file that the text describes. */
export function onnxFromText(text: string): Uint8Array {
  const queue = tokens(text);
  let at = 0;
  let seed = 1;
  const peek = (ahead = 0): string => queue[at + ahead] ?? "";
  const next = (): string => {
    const token = queue[at++];
    if (token === undefined) throw new Error("graph text: ends too early");
    return token;
  };
  const expect = (token: string): void => {
    const got = next();
    if (got !== token) throw new Error(`graph text: "${got}" where "${token}" belongs`);
  };
  const list = <T>(open: string, close: string, item: () => T): T[] => {
    expect(open);
    const items: T[] = [];
    while (peek() !== close) {
      items.push(item());
      if (peek() === ",") next();
    }
    expect(close);
    return items;
  };
  const integer = (): number => Number(next());

  const opsets = new Map<string, number>();
  let irVersion = 8;

  function tensor(name: string): TensorInit {
    const type = dtype(next() as DtypeName);
    const dims = list("[", "]", integer);
    const count = elementCount(dims);
    seed++;
    let values: Float32Array;
    if (peek() === "[") values = Float32Array.from(list("[", "]", () => Number(next())));
    else {
      values = fill(next(), count, seed);
      if (peek() === "*") {
        next();
        const factor = Number(next());
        values = values.map((x) => x * factor);
      }
    }
    if (values.length !== count) throw new Error(`graph text: ${name} needs ${count} values`);
    return {
      name,
      dataType: type.onnx ?? 0,
      dims: dims.map(BigInt),
      rawData: referenceKernels.fromF32(type, values),
    };
  }

  function valueInfo(): ValueInit {
    const name = next();
    const elemType = dtype(next() as DtypeName).onnx ?? 0;
    const shape =
      peek() === "["
        ? {
            dim: list("[", "]", () => {
              const token = next();
              return /^\d/.test(token)
                ? { value: { case: "dimValue" as const, value: BigInt(token) } }
                : { value: { case: "dimParam" as const, value: token } };
            }),
          }
        : undefined;
    return {
      name,
      type: { value: { case: "tensorType", value: { elemType, ...(shape ? { shape } : {}) } } },
    };
  }

  function attribute(): AttributeInit {
    const name = next();
    expect(":");
    const token = peek();
    if (token === "graph") {
      next();
      expect("{");
      const g = graph(name);
      expect("}");
      return { name, type: TYPE.graph, g };
    }
    if (DTYPE_NAMES.has(token)) return { name, type: TYPE.tensor, t: tensor("") };
    if (token === "[") {
      const items = list("[", "]", next);
      if (items.some((i) => i.startsWith('"')))
        return {
          name,
          type: TYPE.strings,
          strings: items.map((i) => encoder.encode(JSON.parse(i) as string)),
        };
      if (items.some((i) => i.includes(".")))
        return { name, type: TYPE.floats, floats: items.map(Number) };
      return { name, type: TYPE.ints, ints: items.map(BigInt) };
    }
    next();
    if (token.startsWith('"'))
      return { name, type: TYPE.string, s: encoder.encode(JSON.parse(token) as string) };
    return /[.e]/.test(token)
      ? { name, type: TYPE.float, f: Number(token) }
      : { name, type: TYPE.int, i: BigInt(token) };
  }

  function node(outputs: string[]): NodeInit {
    const full = next();
    const dot = full.lastIndexOf(".");
    expect("(");
    const input: string[] = [];
    while (peek() !== ")") {
      input.push(peek() === "," ? "" : next());
      if (peek() === ",") next();
    }
    expect(")");
    const attributes = peek() === "{" ? list("{", "}", attribute) : [];
    const named = attributes.find((a) => a.name === "name");
    return {
      // An attribute called `name` names the node itself.
      name: named?.s ? new TextDecoder().decode(named.s) : "",
      opType: full.slice(dot + 1),
      domain: dot < 0 ? "" : full.slice(0, dot),
      input,
      output: outputs,
      attribute: attributes.filter((a) => a !== named),
    };
  }

  function graph(name: string): GraphInit {
    const g = {
      name,
      node: [] as NodeInit[],
      initializer: [] as TensorInit[],
      input: [] as ValueInit[],
      output: [] as ValueInit[],
      valueInfo: [] as ValueInit[],
    };
    for (;;) {
      const token = peek();
      if (token === "" || token === "}") return g;
      if (token === "opset") {
        next();
        const domain = /^\d/.test(peek()) ? "" : next();
        opsets.set(domain, integer());
      } else if (token === "ir") {
        next();
        irVersion = integer();
      } else if (token === "input" || token === "output" || token === "value") {
        next();
        (token === "input" ? g.input : token === "output" ? g.output : g.valueInfo).push(
          valueInfo(),
        );
      } else if (token === "initializer-input") {
        next();
        const found = g.initializer.find((t) => t.name === peek());
        const { dims = [], dataType = 1 } = found ?? {};
        g.input.push({
          name: next(),
          type: {
            value: {
              case: "tensorType",
              value: {
                elemType: dataType,
                shape: { dim: dims.map((value) => ({ value: { case: "dimValue", value } })) },
              },
            },
          },
        });
      } else {
        // `, h = …`: the first output is not asked for.
        const outputs = [peek() === "," ? "" : next()];
        while (peek() === ",") {
          next();
          outputs.push(next());
        }
        expect("=");
        if (DTYPE_NAMES.has(peek()) && peek(1) === "[") g.initializer.push(tensor(outputs[0]!));
        else g.node.push(node(outputs));
      }
    }
  }

  const main = graph("g");
  if (at < queue.length) throw new Error(`graph text: "${peek()}" is left over`);
  if (!opsets.has("")) opsets.set("", 17);
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(irVersion),
      opsetImport: [...opsets].map(([domain, version]) => ({ domain, version: BigInt(version) })),
      graph: main,
    }),
  );
}

function fill(kind: string, count: number, seed: number): Float32Array {
  switch (kind) {
    case "normal":
      return gaussian(count, seed);
    case "uniform":
      return uniform(count, seed);
    case "zeros":
      return new Float32Array(count);
    case "ones":
      return new Float32Array(count).fill(1);
    case "range":
      return Float32Array.from({ length: count }, (_, i) => i);
    case "nan": {
      const values = gaussian(count, seed);
      values[count >> 1] = NaN;
      return values;
    }
    default:
      throw new Error(`graph text: no fill "${kind}"`);
  }
}

/** Nodes of a graph, one a line, without attributes: `y = MatMul(x, w)`. */
export const nodesAsText = (graph: Graph): string[] =>
  graph.nodes.map(
    (n) =>
      `${n.outputs.join(", ")} = ${n.domain === "" ? "" : `${n.domain}.`}${n.op}(${n.inputs.join(", ")})`,
  );

/** Initializers of the main graph, one a line: `w_q uint8 [32, 2, 16]`. */
export const tensorsAsText = (model: Model): string[] =>
  [...(model.graphs.get("[]")?.tensors.values() ?? [])].map(
    (t) => `${t.name} ${t.dtype.name} [${t.shape.join(", ")}]`,
  );

/** A safetensors file with the text's tensors: `w = float32 [4, 4] normal`. */
export function safetensorsFromText(text: string): Uint8Array {
  const { graph } = fromBinary(ModelProtoSchema, onnxFromText(text));
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { name, dataType, dims, rawData } of graph?.initializer ?? []) {
    const type = dtypeFromOnnx(dataType);
    header[name] = {
      dtype: type?.safetensors,
      shape: dims.map(Number),
      data_offsets: [at, at + rawData.length],
    };
    parts.push(rawData);
    at += rawData.length;
  }
  const json = encoder.encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(json.length)]).buffer);
  return Buffer.concat([length, json, ...parts]);
}
