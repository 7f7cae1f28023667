/**
 * From stored values to what a model takes, in this order: channels → mask → × scale →
 * (x − mean) / std over the last axis → layout → reshape → cast to the input's type.
 * Arithmetic is in float64, as NumPy does it, so that predictions agree with a Python reference.
 */
import type { DtypeName } from "../shared/dtype.ts";
import { dataErrors } from "../shared/errors.ts";
import { float16Numbers, hostData, numberToFloat16, type HostData } from "../shared/hostTensor.ts";
import { product, showShape, type Samples } from "./samples.ts";

export interface Preprocess {
  /** BGR reverses the last axis; L is Pillow's luma of RGB, one channel. */
  readonly channels?: "RGB" | "BGR" | "L";
  /** True where the value is not 0. */
  readonly mask?: boolean;
  readonly scale?: number;
  /** One value, or one for each index of the last axis. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly layout?: Layout;
  /** Shape of one sample; one dimension may be -1. */
  readonly reshape?: readonly number[];
}

export const LAYOUTS = ["NHWC->NCHW", "NCHW->NHWC", "NHW->NCHW", "NHW->NHWC"] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface Prepared {
  readonly samples: Samples;
  /** Shape of one sample after all steps. */
  readonly shape: readonly number[];
  /** Bytes of pictures, and no step says which values the model expects. */
  readonly isUnstated: boolean;
  /** Samples [from, to) as the given type. @throws DataError for values that do not fit it. */
  readAs(from: number, to: number, type: DtypeName): Promise<HostData>;
}

/** @throws DataError when a step does not fit the samples' shape. */
export function prepared(samples: Samples, spec: Preprocess, where: string): Prepared {
  const fail = (problem: string, hint: string): never => {
    throw dataErrors.bad(samples.path, where, problem, hint);
  };
  const stored = samples.shape;
  const last = stored.at(-1) ?? 1;
  const luma = spec.channels === "L";
  if (luma && last !== 3)
    fail(
      `"channels": "L" needs 3 channels last, samples are ${showShape(stored)}`,
      "Leave it out.",
    );
  // After luma each sample keeps its rank, with one channel.
  const shape = luma ? [...stored.slice(0, -1), 1] : [...stored];
  const width = shape.at(-1) ?? 1;
  for (const key of ["mean", "std"] as const) {
    const list = spec[key];
    if (list !== undefined && list.length !== 1 && list.length !== width)
      fail(
        `"${key}" has ${list.length} values, the last axis has ${width}`,
        `Give one value, or ${width}.`,
      );
  }
  const laidOut = layoutOf(shape, spec.layout, fail);
  const final = reshaped(laidOut.shape, spec.reshape, fail);
  const size = product(shape);
  const storedSize = product(stored);
  const scale = spec.scale ?? 1;
  const mean = perLast(spec.mean, width, 0);
  const std = perLast(spec.std, width, 1);
  const arithmetic = spec.scale !== undefined || spec.mean !== undefined || spec.std !== undefined;
  const plain = !arithmetic && spec.mask !== true && !luma && spec.channels !== "BGR";

  return {
    samples,
    shape: final,
    isUnstated: samples.dtype === "uint8" && stored.length > 1 && !arithmetic && spec.mask !== true,
    async readAs(from, to, type) {
      const raw = await samples.read(from, to);
      // Nothing changes but perhaps the order: values of the right type need no conversion.
      if (plain && laidOut.order === null && samples.dtype === type)
        return checked(raw, type, from);
      const values = numeric(samples, raw, where);
      const count = (to - from) * size;
      const cast = caster(type, count, (value, at) =>
        fail(
          `sample ${from + Math.floor(at / size)} holds ${value}, which ${type} cannot hold`,
          "Scale the values, or use a model that takes floating-point numbers.",
        ),
      );
      if (cast === null)
        return fail(`numbers cannot be given to an input of type ${type}`, "Use text data.");
      for (let sample = 0; sample < to - from; sample++) {
        const base = sample * storedSize;
        for (let at = 0; at < size; at++) {
          const source = laidOut.order === null ? at : (laidOut.order[at] ?? 0);
          const channel = source % width;
          let value = luma
            ? lumaAt(values, base + source * 3)
            : (values[
                base + (spec.channels === "BGR" ? source - channel + width - 1 - channel : source)
              ] ?? 0);
          if (spec.mask === true) value = value === 0 ? 0 : 1;
          if (arithmetic) value = (value * scale - (mean[channel] ?? 0)) / (std[channel] ?? 1);
          cast.put(sample * size + at, value);
        }
      }
      return cast.out;
    },
  };

  function checked(raw: HostData, type: DtypeName, from: number): HostData {
    if (type === "float32" || type === "float64") {
      const at = (raw as Float32Array).findIndex((value) => Number.isNaN(value));
      if (at >= 0)
        fail(
          `sample ${from + Math.floor(at / Math.max(1, size))} holds NaN`,
          "Remove the sample, or replace missing values by numbers.",
        );
    }
    return raw;
  }
}

const perLast = (list: readonly number[] | undefined, width: number, none: number): number[] =>
  Array.from({ length: width }, (_, i) => (list?.length === 1 ? list[0] : list?.[i]) ?? none);

/** ITU-R 601 luma in 16-bit fixed point, as Pillow's convert("L"). */
const lumaAt = (values: ArrayLike<number>, at: number): number =>
  ((values[at] ?? 0) * 19595 +
    (values[at + 1] ?? 0) * 38470 +
    (values[at + 2] ?? 0) * 7471 +
    32768) >>
  16;

type Fail = (problem: string, hint: string) => never;

/** The shape after a layout step, and for each value of the result its place in the sample (null: the same). */
function layoutOf(
  shape: readonly number[],
  layout: Layout | undefined,
  fail: Fail,
): { shape: readonly number[]; order: Int32Array | null } {
  if (layout === undefined) return { shape, order: null };
  const rank = layout.startsWith("NHWC") || layout.startsWith("NCHW") ? 3 : 2;
  if (shape.length !== rank)
    fail(
      `"layout": "${layout}" needs samples of ${rank} dimensions, they are ${showShape(shape)}`,
      `Use one of ${LAYOUTS.join(", ")}, or "reshape".`,
    );
  const [a = 1, b = 1, c = 1] = shape;
  if (layout === "NHW->NCHW") return { shape: [1, a, b], order: null };
  if (layout === "NHW->NHWC") return { shape: [a, b, 1], order: null };
  const order = new Int32Array(a * b * c);
  let at = 0;
  if (layout === "NHWC->NCHW") {
    for (let channel = 0; channel < c; channel++)
      for (let pixel = 0; pixel < a * b; pixel++) order[at++] = pixel * c + channel;
    return { shape: [c, a, b], order };
  }
  for (let pixel = 0; pixel < b * c; pixel++)
    for (let channel = 0; channel < a; channel++) order[at++] = channel * b * c + pixel;
  return { shape: [b, c, a], order };
}

function reshaped(
  shape: readonly number[],
  target: readonly number[] | undefined,
  fail: Fail,
): readonly number[] {
  if (target === undefined) return shape;
  const size = product(shape);
  const known = product(target.filter((dim) => dim !== -1));
  const open = target.filter((dim) => dim === -1).length;
  const result = target.map((dim) => (dim === -1 ? size / known : dim));
  if (open > 1 || product(result) !== size || !result.every(Number.isInteger))
    fail(
      `"reshape": ${showShape(target)} does not hold the ${size} values of a sample ${showShape(shape)}`,
      "The product of the dimensions must be the number of values of one sample.",
    );
  return result;
}

/** Stored values as something indexable by number. */
function numeric(samples: Samples, raw: HostData, where: string): ArrayLike<number> {
  if (Array.isArray(raw))
    throw dataErrors.bad(
      samples.path,
      where,
      "the samples are text, the model takes numbers",
      "Store token ids, not words.",
    );
  if (samples.dtype === "float16") return float16Numbers(raw as Uint16Array);
  if (raw instanceof BigInt64Array || raw instanceof BigUint64Array) {
    const out = new Float64Array(raw.length);
    for (let i = 0; i < out.length; i++) out[i] = Number(raw[i]);
    return out;
  }
  return raw;
}

const INTEGER_RANGE: Readonly<Partial<Record<DtypeName, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1025],
  uint64: [0, 2 ** 64 - 2049],
};

/** Storage of a type and how a number is put there: floats rounded to nearest even, integers truncated. */
function caster(
  type: DtypeName,
  count: number,
  refuse: (value: number, at: number) => void,
): { readonly out: HostData; put(at: number, value: number): void } | null {
  const out =
    type === "int4" || type === "uint4" || type === "string" ? null : hostData(type, count);
  if (out === null) return null;
  const numbers = out as Float64Array;
  if (type === "float32" || type === "float64")
    return {
      out,
      put: (at, value) => {
        if (Number.isNaN(value)) refuse(value, at);
        numbers[at] = value;
      },
    };
  if (type === "float16")
    return {
      out,
      put: (at, value) => {
        if (Number.isNaN(value)) refuse(value, at);
        numbers[at] = numberToFloat16(value);
      },
    };
  if (type === "bool") return { out, put: (at, value) => void (numbers[at] = value === 0 ? 0 : 1) };
  const [low, high] = INTEGER_RANGE[type] ?? [0, 0];
  const wide = out instanceof BigInt64Array || out instanceof BigUint64Array ? out : null;
  return {
    out,
    put: (at, value) => {
      const whole = Math.trunc(value);
      if (!(whole >= low && whole <= high)) refuse(value, at);
      if (wide) wide[at] = BigInt(whole);
      else numbers[at] = whole;
    },
  };
}
