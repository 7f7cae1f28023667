/** One node on its way to a newer operator set; adapters change it in place. */
import { dtype, type Dtype } from "../../shared/dtype.ts";
import type { Attribute, Dim, Graph, GraphNode, Model } from "../model.ts";
import { scopeOf } from "../scope.ts";
import { inferShapes } from "../shapeInference.ts";
import type { NewAttribute, NewNode } from "../step.ts";

/** A constant that an adapter adds to a graph. */
export interface NewConstant {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly values: readonly number[];
}

/** Names and constants that the adapted nodes of one graph share. */
export class GraphAdditions {
  /** By type and values, so that equal axes are stored once. */
  readonly constants = new Map<string, NewConstant>();
  readonly #taken: Set<string>;
  /** @param taken every name in the model; the names given out are added */
  constructor(taken: Set<string>) {
    this.#taken = taken;
  }
  fresh(base: string): string {
    let name = base;
    for (let i = 1; this.#taken.has(name); i++) name = `${base}_${i}`;
    this.#taken.add(name);
    return name;
  }
}

const INT64_LIMIT = 2 ** 63;
/** "To the end" is written as the largest int64, which a double holds as 2^63. */
const toInt64 = (value: number): bigint =>
  value >= INT64_LIMIT ? 2n ** 63n - 1n : value < -INT64_LIMIT ? -(2n ** 63n) : BigInt(value);

export class Rewrite {
  readonly #model: Model;
  readonly #graph: Graph;
  readonly #additions: GraphAdditions;
  /** The operator set to arrive at: what adapters add must be valid there. */
  readonly target: number;
  readonly node: GraphNode;
  op: string;
  inputs: string[];
  outputs: string[];
  readonly attrs: Map<string, Attribute>;
  readonly before: NewNode[] = [];
  readonly after: NewNode[] = [];

  constructor(
    model: Model,
    graph: Graph,
    node: GraphNode,
    target: number,
    additions: GraphAdditions,
  ) {
    this.#model = model;
    this.#graph = graph;
    this.#additions = additions;
    this.target = target;
    this.node = node;
    this.op = node.op;
    this.inputs = [...node.inputs];
    this.outputs = [...node.outputs];
    this.attrs = new Map(Object.entries(node.attrs));
  }

  /** Only attributes differ, so that the rest of the node can stay as it was read. */
  get sameShell(): boolean {
    return (
      this.op === this.node.op &&
      this.before.length + this.after.length === 0 &&
      this.inputs.join("\n") === this.node.inputs.join("\n") &&
      this.outputs.join("\n") === this.node.outputs.join("\n")
    );
  }

  int(name: string, fallback: number): number {
    const found = this.attrs.get(name);
    return found?.kind === "int" ? found.value : fallback;
  }
  float(name: string, fallback: number): number {
    const found = this.attrs.get(name);
    return found?.kind === "float" ? found.value : fallback;
  }
  text(name: string, fallback: string): string {
    const found = this.attrs.get(name);
    return found?.kind === "string" ? found.value : fallback;
  }
  ints(name: string): readonly number[] | null {
    const found = this.attrs.get(name);
    return found?.kind === "ints" ? found.value : null;
  }
  floats(name: string): readonly number[] | null {
    const found = this.attrs.get(name);
    return found?.kind === "floats" ? found.value : null;
  }
  set(name: string, value: NewAttribute): void {
    this.attrs.set(name, value);
  }
  drop(...names: readonly string[]): void {
    for (const name of names) this.attrs.delete(name);
  }

  /** Sets an input, with omitted ones before it where the node had fewer. */
  setInput(at: number, name: string): void {
    while (this.inputs.length < at) this.inputs.push("");
    this.inputs[at] = name;
  }

  shapeOf(name: string): readonly Dim[] | null {
    return inferShapes(this.#model).shapeOf(this.#graph.path, name);
  }
  dtypeOf(name: string): Dtype | null {
    return inferShapes(this.#model).dtypeOf(this.#graph.path, name);
  }
  /** The nodes that use an output; null for a use as an output of a graph. */
  usersOf(at: number): readonly (GraphNode | null)[] {
    const name = this.outputs[at] ?? "";
    const uses = name === "" ? [] : scopeOf(this.#model).uses(this.#graph.path, name);
    return uses.map((use) => use.node);
  }
  isConstant(name: string): boolean {
    return scopeOf(this.#model).constant(this.#graph.path, name) !== null;
  }

  /** Values of a small float32 constant; null when it is none. */
  constantFloats(name: string): readonly number[] | null {
    for (const added of this.#additions.constants.values())
      if (added.name === name) return added.values;
    const tensor = scopeOf(this.#model).constant(this.#graph.path, name)?.tensor;
    if (tensor?.dtype.name !== "float32" || !(tensor.at instanceof Uint8Array)) return null;
    return [...new Float32Array(tensor.at.slice().buffer)];
  }

  fresh(base: string): string {
    return this.#additions.fresh(base);
  }
  int64s(base: string, values: readonly number[], shape = [values.length]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values, toInt64).buffer);
    return this.#constant(base, dtype("int64"), shape, values, bytes);
  }
  float32s(base: string, values: readonly number[], shape = [values.length]): string {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return this.#constant(base, dtype("float32"), shape, values, bytes);
  }
  /** A scalar of the type that the value `like` has; null when that type is not known. */
  scalarLike(base: string, value: number, like: string): string | null {
    const type = this.dtypeOf(like);
    if (type?.onnx === undefined || type.onnx === null) return null;
    const stored = this.float32s(base, [value], []);
    if (type.name === "float32") return stored;
    const cast = this.fresh(`${base}_cast`);
    const to: NewAttribute = { kind: "int", value: type.onnx };
    this.before.push(plain("Cast", [stored], [cast], { to }));
    return cast;
  }
  /** The value with dimensions of 1 added at `axes`. */
  unsqueezed(name: string, axes: readonly number[]): string {
    const out = this.fresh(`${name}_unsqueezed`);
    this.before.push(
      this.target >= 13
        ? plain("Unsqueeze", [name, this.int64s("axes", axes)], [out])
        : plain("Unsqueeze", [name], [out], { axes: { kind: "ints", value: axes } }),
    );
    return out;
  }

  #constant(
    base: string,
    type: Dtype,
    shape: readonly number[],
    values: readonly number[],
    bytes: Uint8Array,
  ): string {
    const key = `${type.name} ${shape.join()} ${values.join()}`;
    const { constants } = this.#additions;
    let found = constants.get(key);
    if (!found) {
      found = { name: this.fresh(base), dtype: type, shape, bytes, values };
      constants.set(key, found);
    }
    return found.name;
  }
}

export const plain = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attrs: NewNode["attrs"] = {},
): NewNode => ({ name: "", op, domain: "", inputs, outputs, attrs });
