/** A folder of images with labels.csv (file, label): raw pixels 0 to 255, laid out as the model takes them. */
import path from "node:path";
import type { IoInfo } from "../shared/hostTensor.ts";
import type { Dataset, ModelIo } from "./dataset.ts";
import { openImages } from "./images.ts";
import { prepared, type Preprocess } from "./preprocess.ts";
import type { Samples } from "./samples.ts";
import { csvRows, labelColumn } from "./table.ts";

/** @throws DataError when labels.csv or an image does not read. */
export async function openImageFolder(folder: string, io: ModelIo): Promise<Dataset> {
  const csv = path.join(folder, "labels.csv");
  const rows = csvRows(csv);
  const images = await openImages(
    folder,
    rows.map((row) => row["file"] ?? ""),
    {},
  );
  return imageDataset(folder, images, labelColumn(csv, rows), io);
}

/** Images and labels for every input of a model, in the layout and channels of that input. */
export function imageDataset(
  dataPath: string,
  images: Samples,
  labels: Samples,
  io: ModelIo,
): Dataset {
  const inputs = new Map(
    io.inputs.map((input) => [input.name, prepared(images, stepsFor(images, input), input.name)]),
  );
  return {
    path: dataPath,
    task: "classification",
    metric: null,
    inputs,
    labels,
    expected: new Map(),
  };
}

function stepsFor(images: Samples, input: IoInfo): Preprocess {
  const [, second, , last] = input.shape;
  if (images.shape.length === 2)
    return input.shape.length === 4 ? { layout: last === 1 ? "NHW->NHWC" : "NHW->NCHW" } : {};
  if (input.shape.length !== 4) return {};
  if (last === 3 || (last === 1 && second !== 1 && second !== 3))
    return last === 1 ? { channels: "L" } : {};
  return { layout: "NHWC->NCHW", ...(second === 1 ? { channels: "L" } : {}) };
}
