/**
 * Plausible inputs for a model nobody gave data for: enough to see that it runs, to time it and to
 * compare two versions of it; never to judge its quality.
 */
import { dtype } from "../shared/dtype.ts";
import { engineErrors } from "../shared/errors.ts";
import { hostData, numberToFloat16, type HostTensor, type IoInfo } from "../shared/hostTensor.ts";
import { random, type Random } from "../shared/random.ts";
import type { Session } from "./ort.ts";

/** What open dimensions are taken as, by what their name or place says of them. */
export interface OpenSizes {
  readonly batch: number;
  readonly sequence: number;
  readonly spatial: number;
  readonly other: number;
}

/**
 * Tried in this order: models fix relations between their inputs that no declaration tells (a square
 * image of at least the receptive field, a chunk length of a streaming model).
 */
const OPEN_SIZES: readonly OpenSizes[] = [
  { batch: 1, sequence: 16, spatial: 64, other: 8 },
  { batch: 1, sequence: 128, spatial: 224, other: 1 },
  { batch: 1, sequence: 1, spatial: 32, other: 1 },
  // 512 samples at 16 kHz and their left context: the chunk of streaming speech models.
  { batch: 1, sequence: 576, spatial: 256, other: 1 },
];
/** Larger ids are out of range for small vocabularies; every one has these. */
const MAX_ID = 10;
/** 256 MiB of float32 for one input is more than any model of this kind takes. */
const MAX_ELEMENTS = 2 ** 26;

/**
 * Seeded inputs: floats from N(0, 1), small ids, masks of ones, positions in order.
 * A symbol has one size everywhere; the same seed and input name give the same values for any model.
 * @throws EngineError for inputs that are not tensors or too large.
 */
export function syntheticFeeds(
  inputs: readonly IoInfo[],
  seed: number,
  sizes: OpenSizes,
): Map<string, HostTensor> {
  return new Map(inputs.map((input) => [input.name, syntheticTensor(input, seed, sizes)]));
}

function syntheticTensor(input: IoInfo, seed: number, sizes: OpenSizes): HostTensor {
  const { name, dtype: type } = input;
  const shape = input.shape.map((dim, axis) =>
    typeof dim === "number" ? dim : openSize(dim, axis, input.shape, sizes),
  );
  const count = shape.reduce((a, b) => a * b, 1);
  const data = type === null || count > MAX_ELEMENTS ? null : hostData(type, count);
  if (type === null || data === null)
    throw engineErrors.noSynthetic(name, type ?? "not a tensor", shape);
  const rng = random(seed ^ hash(name));
  const value = valueOf(name, type, shape, rng);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    for (let i = 0; i < data.length; i++) data[i] = BigInt(value(i));
  else if (Array.isArray(data)) data.fill("text");
  else if (type === "float16")
    for (let i = 0; i < data.length; i++) data[i] = numberToFloat16(value(i));
  else for (let i = 0; i < data.length; i++) data[i] = value(i);
  return { dtype: type, shape, data };
}

/** The value at each index, by the input's type and, for integers, what its name says it is. */
function valueOf(
  name: string,
  type: NonNullable<IoInfo["dtype"]>,
  shape: readonly number[],
  rng: Random,
): (index: number) => number {
  if (dtype(type).kind === "float") return /mask/i.test(name) ? () => 1 : () => rng.normal();
  if (type === "bool") return () => 1;
  if (/mask|length|step/i.test(name)) return () => 1;
  if (/segment|token_?type/i.test(name)) return () => 0;
  if (/position/i.test(name)) return (index) => index % (shape.at(-1) ?? 1);
  if (/^sr$|sample_?rate/i.test(name)) return () => 16000;
  return () => rng.int(MAX_ID);
}

function openSize(
  dim: string | null,
  axis: number,
  shape: IoInfo["shape"],
  sizes: OpenSizes,
): number {
  if (dim !== null) {
    if (/batch|^n$/i.test(dim)) return sizes.batch;
    if (/past|cache/i.test(dim)) return sizes.other;
    if (/seq|len|time|tok|ctx|context|frames?|samples/i.test(dim)) return sizes.sequence;
    if (/height|width|^h$|^w$/i.test(dim)) return sizes.spatial;
  }
  if (axis === 0) return sizes.batch;
  // Pictures: [N, C, H, W] with an open H and W.
  if (shape.length === 4 && axis >= 2) return sizes.spatial;
  // [N, T] and [N, T, features]; but [layers, N, features] of a recurrent state has N in the middle.
  if (axis === 1)
    return typeof shape[0] === "number" && shape[0] > 1 ? sizes.batch : sizes.sequence;
  return dim === null ? sizes.other : sizes.sequence;
}

/** FNV-1a: names in another order or model give the same values. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/**
 * Sizes of open dimensions at which the model runs, found by running it.
 * @throws EngineError, the last one, when it runs at none.
 */
export async function runnableSizes(session: Session, seed: number): Promise<OpenSizes> {
  let failure: unknown = null;
  const open = session.inputs.some(({ shape }) => shape.some((dim) => typeof dim !== "number"));
  for (const sizes of open ? OPEN_SIZES : OPEN_SIZES.slice(0, 1)) {
    try {
      await session.run(syntheticFeeds(session.inputs, seed, sizes));
      return sizes;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}
