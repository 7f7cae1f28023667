/** Writes quantized layers into a model: codes, scales, QuantizeLinear and DequantizeLinear nodes. */
import type { WorkContext } from "../../../core/context.ts";
import { MAIN, mainGraph, nodeKey, type GraphNode } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { scopeOf } from "../../../core/scope.ts";
import type { NewNode } from "../../../core/step.ts";
import { dtype, type DtypeName } from "../../../shared/dtype.ts";
import type { ChannelFormat } from "./channels.ts";
import type { Layer, LayerWeight } from "./layer.ts";
import { renewed, standard } from "./nodes.ts";
import { codesOf, gridOf, type ActivationFormat, type Grid, type ValueRange } from "./ranges.ts";
import { putRounded } from "./rounded.ts";
import { putValues, writeTable } from "./tables.ts";
import { floatAttr } from "../../../core/attributes.ts";

export interface EmitFormat {
  readonly activations: ActivationFormat;
  readonly weights: ChannelFormat;
  /** One scale for the whole matrix of a product, where only convolutions may have one per channel. */
  readonly wholeProducts: boolean;
  /** Leaves out a Relu or Clip that the codes after it do anyway: it would stand between operator and codes. */
  readonly dropsClamps: boolean;
  /** Biases as int32 codes with the scale of the product; TensorRT wants them float. */
  readonly integerBias: boolean;
}

const formatOf = ({ kind }: Layer, { weights, wholeProducts }: EmitFormat): ChannelFormat =>
  wholeProducts && kind !== "conv" ? { ...weights, perChannel: false } : weights;

/** What one run over a model has written so far; each value, constant and weight is written once. */
export class Emitter {
  readonly #tx: Transaction;
  readonly #ctx: WorkContext;
  readonly #format: EmitFormat;
  readonly #grids: ReadonlyMap<string, Grid>;
  readonly #nodes: ReadonlyMap<string, GraphNode>;
  /** Values that are the output of a DequantizeLinear under their own name. */
  readonly #rounded: ReadonlySet<string>;
  readonly #pairs = new Map<string, string>();
  readonly #constants = new Map<string, string>();
  readonly #weights = new Map<string, { readonly name: string; readonly scales: Float32Array }>();

  /** @param grids by value. @param rounded outputs of the layers that will be written. */
  constructor(
    tx: Transaction,
    ctx: WorkContext,
    format: EmitFormat,
    grids: ReadonlyMap<string, Grid>,
    rounded: ReadonlySet<string>,
  ) {
    this.#tx = tx;
    this.#ctx = ctx;
    this.#format = format;
    this.#grids = grids;
    this.#rounded = rounded;
    this.#nodes = new Map(mainGraph(tx.model).nodes.map((node) => [nodeKey(node), node]));
  }

  async layer(layer: Layer): Promise<void> {
    const node = this.#now(layer.node);
    const clamp = layer.activation ? this.#now(layer.activation) : null;
    const activation = clamp && !(await this.#vanishes(clamp, layer)) ? clamp : null;
    const insert: NewNode[] = [];
    const inputs = [...node.inputs];
    for (const [i, name] of node.inputs.entries())
      if (layer.inputs.includes(name)) inputs[i] = await this.#taken(name, insert);
      else if (layer.constants.includes(name)) inputs[i] = await this.#coded(name, insert);
    const folded: string[] = [...layer.constants];
    if (layer.weight) {
      if (layer.kind === "embedding") {
        await writeTable(this.#tx, this.#ctx, MAIN, node, layer.weight.source);
        return;
      }
      const { weight, bias } = await this.#weight(layer, layer.weight, insert);
      inputs[1] = weight;
      if (bias !== "") inputs[2] = bias;
      folded.push(node.inputs[1] ?? "", node.inputs[2] ?? "");
      for (const part of layer.affine) folded.push(...part.inputs);
    }
    const last = layer.affine.at(-1);
    const own = (last ?? node).outputs[0] ?? "";
    const float = layer.rounds ? this.#fresh(`${layer.output}_f`) : layer.output;
    insert.push({
      ...renewed(node),
      inputs,
      outputs: [activation ? own : float, ...(last ? [] : node.outputs.slice(1))],
    });
    if (activation)
      insert.push({
        ...renewed(activation),
        inputs: [own, ...activation.inputs.slice(1)],
        outputs: [float],
      });
    if (layer.rounds) await this.#pair(float, layer.output, insert);
    this.#tx.replaceNodes(MAIN, {
      remove: [node, ...layer.affine.map((part) => this.#now(part)), ...(clamp ? [clamp] : [])],
      insert,
    });
    if (clamp && !activation) folded.push(...clamp.inputs.slice(1));
    for (const name of folded) if (name !== "") this.#tx.dropIfUnused(MAIN, name);
  }

  /** Whether codes of the layer's output cannot leave the limits of its activation. */
  async #vanishes(node: GraphNode, { output, rounds }: Layer): Promise<boolean> {
    const grid = rounds && this.#format.dropsClamps ? this.#grids.get(output) : undefined;
    if (!grid) return false;
    const [least, most] = codesOf(this.#format.activations);
    const ends = [(least - grid.zero) * grid.scale, (most - grid.zero) * grid.scale] as const;
    if (node.op === "Relu") return ends[0] >= 0;
    const [low, high] = await Promise.all(
      node.inputs.slice(1, 3).map((name) => this.#readIfConstant(name)),
    );
    // A measured end is the limit itself, but for the rounding of the scale.
    const slack = grid.scale / 100;
    return ends[0] >= (low?.[0] ?? -Infinity) - slack && ends[1] <= (high?.[0] ?? Infinity) + slack;
  }

  /** The node as it is now: an upgrade of the operator set may have rewritten it. */
  #now(node: GraphNode): GraphNode {
    const found = this.#nodes.get(nodeKey(node));
    if (!found) throw new Error(`no node makes "${nodeKey(node)}" any more`);
    return found;
  }

  #fresh(base: string): string {
    return this.#tx.uniqueName(MAIN, base);
  }

  /** The value as a layer takes it in: rounded to codes and back. */
  async #taken(value: string, insert: NewNode[]): Promise<string> {
    if (this.#rounded.has(value)) return value;
    const known = this.#pairs.get(value);
    if (known !== undefined) return known;
    const name = this.#fresh(`${value}_d`);
    this.#pairs.set(value, name);
    await this.#pair(value, name, insert);
    return name;
  }

  /** A constant as codes of its own range, with the type that activations have. */
  async #coded(name: string, insert: NewNode[]): Promise<string> {
    const known = this.#pairs.get(name);
    if (known !== undefined) return known;
    const values = await this.#read(name);
    const { shape = [] } = scopeOf(this.#tx.model).constant(MAIN, name)?.tensor ?? {};
    const format = this.#format.activations;
    const grid = gridOf(values.reduce(widen, { lo: 0, hi: 0 }), format);
    const [least, most] = codesOf(format);
    const codes = values.map((x) =>
      Math.min(most, Math.max(least, Math.round(x / grid.scale) + grid.zero)),
    );
    const stored = this.#fresh(`${name}_q`);
    await this.#put(stored, format.dtype, shape, codes);
    const scale = await this.#constant("float32", [], [grid.scale], "s");
    const zero = await this.#constant(format.dtype, [], [grid.zero], "z");
    const out = this.#fresh(`${name}_d`);
    this.#pairs.set(name, out);
    insert.push(standard("DequantizeLinear", [stored, scale, zero], [out]));
    return out;
  }

  async #pair(from: string, to: string, insert: NewNode[]): Promise<void> {
    const grid = this.#grids.get(to) ?? this.#grids.get(from);
    if (!grid) throw new Error(`no range for "${to}"`);
    const scale = await this.#constant("float32", [], [grid.scale], "s");
    const zero = await this.#constant(this.#format.activations.dtype, [], [grid.zero], "z");
    const codes = this.#fresh(`${to}_q`);
    insert.push(standard("QuantizeLinear", [from, scale, zero], [codes]));
    insert.push(standard("DequantizeLinear", [codes, scale, zero], [to]));
  }

  /** A small constant, once for all who need these values. */
  async #constant(
    type: DtypeName,
    shape: readonly number[],
    values: readonly number[],
    letter: string,
  ): Promise<string> {
    const uniform = values.every((v) => v === values[0]);
    const key = `${type}[${shape.join()}]${uniform ? String(values[0]) : values.join()}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh(`q${letter}${this.#constants.size}`);
    this.#constants.set(key, name);
    await this.#put(name, type, shape, Float32Array.from(values));
    return name;
  }

  #put(
    name: string,
    type: DtypeName,
    shape: readonly number[],
    values: Float32Array,
  ): Promise<void> {
    return putValues(this.#tx, this.#ctx, MAIN, { name, type, shape }, values);
  }

  async #weight(
    layer: Layer,
    held: LayerWeight,
    insert: NewNode[],
  ): Promise<{ readonly weight: string; readonly bias: string }> {
    const { channels, axis } = held;
    const { scale, shift } = await this.#affine(layer, channels);
    const given = held.bias === "" ? null : await this.#read(held.bias);
    const bias =
      given || layer.affine.length > 0
        ? Float64Array.from(
            { length: channels },
            (_, c) => (given?.[c] ?? 0) * (scale?.[c] ?? 1) + (shift?.[c] ?? 0),
          )
        : null;
    const input = this.#grids.get(layer.inputs[0] ?? "")?.scale ?? 1;
    const integerBias = this.#format.integerBias && bias !== null;
    const format = formatOf(layer, this.#format);
    const out = await this.#codes(held, format, scale, (c) =>
      // A bias beyond 2^30 steps would overflow its int32 code.
      integerBias ? Math.abs(bias[c] ?? 0) / (input * 2 ** 30) : 0,
    );
    const { perChannel, bits } = format;
    const weight = this.#fresh(`${out.name}_d`);
    const codes = bits === 4 ? this.#fresh(`${out.name}_8`) : out.name;
    if (bits === 4)
      insert.push({
        ...standard("Cast", [out.name], [codes]),
        attrs: { to: { kind: "int", value: dtype("int8").onnx ?? 3 } },
      });
    const shape = perChannel ? [channels] : [];
    // QGemm and the fused convolution are only taken when the zero point is there.
    const zero = await this.#constant(
      "int8",
      shape,
      new Array<number>(perChannel ? channels : 1).fill(0),
      "z",
    );
    insert.push({
      ...standard("DequantizeLinear", [codes, `${out.name}_s`, zero], [weight]),
      attrs: perChannel ? { axis: { kind: "int", value: axis } } : {},
    });
    if (bias === null) return { weight, bias: "" };
    return { weight, bias: await this.#bias(out.name, bias, out.scales, input, insert) };
  }

  async #bias(
    base: string,
    bias: Float64Array,
    scales: Float32Array,
    input: number,
    insert: NewNode[],
  ): Promise<string> {
    const name = this.#fresh(`${base}_b`);
    if (!this.#format.integerBias) {
      await this.#put(name, "float32", [bias.length], Float32Array.from(bias));
      return name;
    }
    const steps = Float32Array.from(bias, (_, c) =>
      Math.fround(input * (scales[c] ?? scales[0] ?? 1)),
    );
    const perChannel = scales.length > 1 || bias.length === 1;
    const codes = Int32Array.from(bias, (b, c) => Math.round(b / (steps[c] ?? 1)));
    const rounded = new Uint8Array(codes.buffer);
    const dt = dtype("int32");
    await this.#tx.putTensor(MAIN, { name, dtype: dt, shape: [codes.length] }, rounded);
    const scaleName = this.#fresh(`${name}_s`);
    await this.#put(
      scaleName,
      "float32",
      perChannel ? [steps.length] : [],
      perChannel ? steps : steps.slice(0, 1),
    );
    const out = this.#fresh(`${name}_d`);
    insert.push({
      ...standard("DequantizeLinear", [name, scaleName], [out]),
      attrs: perChannel ? { axis: { kind: "int", value: 0 } } : {},
    });
    return out;
  }

  /** Codes and scales of the weight, stored once for all layers that use it in the same way. */
  async #codes(
    held: LayerWeight,
    format: ChannelFormat,
    scale: Float64Array | null,
    leastScale: (channel: number) => number,
  ): Promise<{ readonly name: string; readonly scales: Float32Array }> {
    const { source, transposed, axis, channels } = held;
    // Folded constants and the floor of a bias are this layer's own.
    const key =
      scale || held.bias !== ""
        ? null
        : JSON.stringify([source.graph.path, source.name, transposed, axis]);
    const known = key === null ? undefined : this.#weights.get(key);
    if (known) return known;
    const name = this.#fresh(`${source.name}_q`);
    const { tensor } = source;
    const weight = { tensor, transposed, axis, factors: scale };
    const scales = await putRounded(this.#tx, this.#ctx, MAIN, name, weight, format, leastScale);
    const scaleName = `${name}_s`;
    if (this.#fresh(scaleName) !== scaleName) throw new Error(`the name ${scaleName} is taken`);
    await this.#put(scaleName, "float32", format.perChannel ? [channels] : [], scales);
    const out = { name, scales };
    if (key !== null) this.#weights.set(key, out);
    this.#ctx.progress(1);
    return out;
  }

  /** What BatchNormalization and constant Adds after a convolution do to it: y = scale · x + shift. */
  async #affine(
    layer: Layer,
    channels: number,
  ): Promise<{ readonly scale: Float64Array | null; readonly shift: Float64Array | null }> {
    if (layer.affine.length === 0) return { scale: null, shift: null };
    const scale = new Float64Array(channels).fill(1);
    const shift = new Float64Array(channels);
    for (const part of layer.affine) {
      if (part.op === "Add") {
        const constants = await Promise.all(part.inputs.map((name) => this.#readIfConstant(name)));
        const added = constants.find((values) => values !== null) ?? new Float32Array(channels);
        added.forEach((x, c) => (shift[c] = (shift[c] ?? 0) + x));
        continue;
      }
      const [gamma, beta, mean, variance] = await Promise.all(
        part.inputs.slice(1, 5).map((name) => this.#read(name)),
      );
      const epsilon = floatAttr(part, "epsilon") ?? 1e-5;
      for (let c = 0; c < channels; c++) {
        const a = (gamma?.[c] ?? 1) / Math.sqrt((variance?.[c] ?? 1) + epsilon);
        scale[c] = (scale[c] ?? 1) * a;
        shift[c] = ((shift[c] ?? 0) - (mean?.[c] ?? 0)) * a + (beta?.[c] ?? 0);
      }
    }
    return { scale, shift };
  }

  /** Null for what is no constant, and for an input that is left out. */
  async #readIfConstant(name: string): Promise<Float32Array | null> {
    const tensor = name === "" ? undefined : scopeOf(this.#tx.model).constant(MAIN, name)?.tensor;
    return tensor ? this.#ctx.readF32(tensor) : null;
  }
  async #read(name: string): Promise<Float32Array> {
    const values = await this.#readIfConstant(name);
    if (!values) throw new Error(`"${name}" is no constant any more`);
    return values;
  }
}

const widen = ({ lo, hi }: ValueRange, x: number): ValueRange => ({
  lo: Math.min(lo, x),
  hi: Math.max(hi, x),
});
