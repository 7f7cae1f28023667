/** The first samples of a data set as the model would get them, checked against its inputs. */
import type { BoundData } from "../../data/bind.ts";
import type { ModelIo } from "../../data/dataset.ts";
import { openData } from "../../data/open.ts";
import { DataError, engineErrors } from "../../shared/errors.ts";
import { toNumbers, type HostTensor } from "../../shared/hostTensor.ts";
import type { DataPreview, DataSample, Params, Queries } from "../../shared/protocol.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";
import { ioOf } from "../modelIo.ts";
import { clip } from "./answer.ts";

/** Side of a picture at most: what a page shows, and small in a message. */
const MAX_SIDE = 96;
const MAX_VALUES = 24;
/** Pictures of all inputs and samples together stay far below the 1 MB of a message. */
const MAX_PICTURES = 12;
const MAX_TEXT = 60;

/** @throws DataError when the data is missing, of no known kind, or does not fit the model. */
export async function dataPreview(
  { doc, samples }: Params<Queries, "dataPreview">,
  env: EngineEnv,
  task: Task,
): Promise<DataPreview> {
  const { data } = doc;
  if (data === undefined) throw engineErrors.needsData("The preview");
  const { model } = await env.open(doc, task);
  const io = ioOf(model);
  const bound = await openData(data, io, "evaluation");
  const calibration = await openCalibration(data, io);
  const wanted = Math.min(samples, bound.count);
  const inputs = io.inputs.map((input) => ({ input, samples: [] as DataSample[] }));
  const labels: string[] = [];
  let pictures = 0;
  for await (const batch of bound.batches(wanted, wanted)) {
    for (const own of inputs) {
      const tensor = batch.feeds.get(own.input.name);
      if (!tensor) continue;
      for (let row = 0; row < batch.count; row++)
        own.samples.push(sampleOf(tensor, row, batch.rows, pictures++ < MAX_PICTURES));
    }
    if (batch.labels !== null && bound.task === "classification")
      for (let row = 0; row < batch.count; row++) labels.push(String(batch.labels[row]));
  }
  return {
    path: bound.path,
    task: bound.task,
    metric: bound.metric,
    count: bound.count,
    labelled: bound.labelled || bound.expected.length > 0,
    notes: [
      ...new Set([...bound.notes, ...(calibration instanceof DataError ? [] : calibration.notes)]),
    ],
    calibration: calibration instanceof DataError ? null : calibration.count,
    calibrationProblem: calibration instanceof DataError ? calibration.failure : null,
    inputs: inputs.map(({ input, samples: shown }) => ({
      name: input.name,
      dtype: input.dtype ?? "unknown",
      shape: input.shape,
      samples: shown,
    })),
    labels,
  };
}

/** The calibration part, or why there is none. */
async function openCalibration(data: string, io: ModelIo): Promise<BoundData | DataError> {
  try {
    return await openData(data, io, "calibration");
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}

function sampleOf(tensor: HostTensor, row: number, rows: number, picture: boolean): DataSample {
  if (Array.isArray(tensor.data)) {
    const size = tensor.data.length / rows;
    const values = tensor.data.slice(row * size, row * size + Math.min(size, MAX_VALUES));
    return {
      min: null,
      max: null,
      mean: null,
      values: values.map((value) => clip(value, MAX_TEXT)),
      count: size,
      picture: null,
    };
  }
  const all = toNumbers(tensor);
  const size = all.length / rows;
  const values = Float64Array.from({ length: size }, (_, i) => all[row * size + i] ?? 0);
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return {
    min: size === 0 ? null : min,
    max: size === 0 ? null : max,
    mean: size === 0 ? null : sum / size,
    values: [...values.subarray(0, MAX_VALUES)].map((value) =>
      String(Number(value.toPrecision(5))),
    ),
    count: size,
    picture: picture ? pictureOf(values, tensor.shape.slice(1), min, max) : null,
  };
}

/** [C, H, W] or [H, W, C] with 1 or 3 channels, stretched from its own minimum to its maximum. */
function pictureOf(
  values: Float64Array,
  shape: readonly number[],
  min: number,
  max: number,
): DataSample["picture"] {
  const own = shape.length === 2 ? [1, ...shape] : shape;
  if (own.length !== 3 || min === max || !Number.isFinite(max - min)) return null;
  const [a = 0, b = 0, c = 0] = own;
  const first = a === 1 || a === 3;
  if (!first && c !== 1 && c !== 3) return null;
  const [channels, height, width] = first ? [a, b, c] : [c, a, b];
  if (height < 4 || width < 4) return null;
  const step = Math.max(1, Math.ceil(Math.max(height, width) / MAX_SIDE));
  const rows = Math.ceil(height / step);
  const columns = Math.ceil(width / step);
  const pixels = new Uint8Array(rows * columns * channels);
  let at = 0;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      for (let channel = 0; channel < channels; channel++) {
        const pixel = y * step * width + x * step;
        const value = values[first ? channel * height * width + pixel : pixel * channels + channel];
        pixels[at++] = Math.round((((value ?? min) - min) / (max - min)) * 255);
      }
  return { width: columns, height: rows, channels, base64: Buffer.from(pixels).toString("base64") };
}
