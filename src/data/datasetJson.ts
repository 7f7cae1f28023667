/** dataset.json: arrays, images or text with the steps that make model inputs of them. */
import path from "node:path";
import { dataErrors, nearest } from "../shared/errors.ts";
import type { MetricName } from "../shared/protocol.ts";
import {
  checkLabels,
  METRICS,
  TASKS,
  type DataTask,
  type Dataset,
  type Expected,
  type Split,
} from "./dataset.ts";
import { fileText } from "./files.ts";
import { openImages, type ImageSpec } from "./images.ts";
import { openNpy } from "./npy.ts";
import { LAYOUTS, prepared, type Layout, type Prepared, type Preprocess } from "./preprocess.ts";
import type { Samples } from "./samples.ts";
import { csvRows, labelColumn } from "./table.ts";
import { characterIds, readVocabulary, storedIds, windows, type Windows } from "./text.ts";

const MAX_JSON_BYTES = 2 ** 24;

type Json = Readonly<Record<string, unknown>>;

/** Reads one object of the file, so that every complaint says where in it. */
interface Reader {
  readonly file: string;
  readonly where: string;
  readonly json: Json;
}

/** @throws DataError for anything that is not as the format says. */
export async function openDatasetJson(file: string, split: Split): Promise<Dataset> {
  const root = object({ file, where: "the file", json: {} }, parse(file), "the file");
  only(root, [
    "$schema",
    "name",
    "description",
    "task",
    "metric",
    "inputs",
    "labels",
    "outputs",
    "calibration",
  ]);
  const task = oneOf(root, "task", TASKS);
  if (split === "calibration") {
    if (root.json["calibration"] === undefined)
      throw fail(
        root,
        "it has no samples set aside for calibration",
        'Add "calibration": {"inputs": {"*": {"file": "calib_x.npy"}}} beside "inputs", with samples that are not evaluated on.',
      );
    const part = object(root, root.json["calibration"], "calibration");
    only(part, ["inputs", "labels", "outputs"]);
    return read(part, task, null);
  }
  const metric = root.json["metric"] === undefined || task === null ? null : metricOf(root, task);
  return read(root, task, metric);
}

async function read(
  reader: Reader,
  task: DataTask | null,
  metric: MetricName | null,
): Promise<Dataset> {
  const inputs = new Map<string, Prepared>();
  const specs = object(reader, reader.json["inputs"], "inputs");
  let targets: Samples | null = null;
  for (const name of Object.keys(specs.json)) {
    const spec = object(specs, specs.json[name], name);
    if (isText(spec.json)) {
      const cut = await textWindows(spec);
      inputs.set(name, prepared(cut.inputs, {}, spec.where));
      targets = cut.targets;
    } else {
      inputs.set(name, await arrayInput(spec));
    }
  }
  if (inputs.size === 0) throw fail(specs, "it names no input", 'Add {"*": {"file": "x.npy"}}.');
  return {
    path: reader.file,
    task: task ?? (targets === null ? null : "language-model"),
    metric,
    inputs,
    labels: targets ?? labelsOf(reader),
    expected: expectedOf(reader),
  };
}

const isText = (json: Json): boolean =>
  json["vocab"] !== undefined || json["context"] !== undefined;

async function textWindows(spec: Reader): Promise<Windows> {
  only(spec, ["file", "vocab", "context", "range", "samples"]);
  const file = sibling(spec, "file");
  const context = whole(spec, "context", 1);
  if (context === null)
    throw fail(spec, '"context" is missing', "Give the window's length in tokens.");
  const range = numbers(spec, "range") ?? [0, 1];
  const [from = 0, to = 1] = range;
  if (range.length !== 2 || !(from >= 0 && from < to && to <= 1))
    throw fail(spec, `"range" is [${range.join(", ")}]`, "Give two fractions, e.g. [0.95, 1].");
  const samples = whole(spec, "samples", 1);
  const ids =
    spec.json["vocab"] === undefined
      ? await storedIds(file)
      : characterIds(file, readVocabulary(sibling(spec, "vocab")));
  return windows(file, ids, {
    context,
    range: [from, to],
    ...(samples === null ? {} : { samples }),
  });
}

async function arrayInput(spec: Reader): Promise<Prepared> {
  only(spec, [
    "file",
    "folder",
    "resize",
    "crop",
    "channels",
    "mask",
    "scale",
    "mean",
    "std",
    "layout",
    "reshape",
  ]);
  return prepared(await stored(spec), steps(spec), spec.where);
}

async function stored(spec: Reader): Promise<Samples> {
  if (spec.json["folder"] === undefined) {
    for (const key of ["resize", "crop"])
      if (spec.json[key] !== undefined)
        throw fail(
          spec,
          `"${key}" is for images in a "folder"`,
          "Resize arrays before saving them.",
        );
    return openNpy(sibling(spec, "file"));
  }
  const folder = sibling(spec, "folder");
  const csv = path.join(folder, "labels.csv");
  const files = csvRows(csv).map((row) => row["file"] ?? "");
  return openImages(folder, files, imageSpec(spec));
}

function imageSpec(spec: Reader): ImageSpec {
  const size = (key: string): number | readonly [number, number] | undefined => {
    if (spec.json[key] === undefined) return undefined;
    const list = numbers(spec, key) ?? [];
    const [a, b] = list;
    if (
      a === undefined ||
      list.length > 2 ||
      !list.every((n) => Number.isInteger(n) && n > 0 && n <= 8192)
    )
      throw fail(
        spec,
        `"${key}" is ${show(spec.json[key])}`,
        "Give a side in pixels, or [height, width].",
      );
    return b === undefined ? a : [a, b];
  };
  const resize = size("resize");
  const crop = size("crop");
  return { ...(resize === undefined ? {} : { resize }), ...(crop === undefined ? {} : { crop }) };
}

function steps(spec: Reader): Preprocess {
  const channels = oneOf(spec, "channels", ["RGB", "BGR", "L"] as const);
  const layout: Layout | null = oneOf(spec, "layout", LAYOUTS);
  const mask = spec.json["mask"];
  if (mask !== undefined && typeof mask !== "boolean")
    throw fail(spec, `"mask" is ${show(mask)}`, "Give true or false.");
  const [scale] = numbers(spec, "scale") ?? [];
  const mean = numbers(spec, "mean");
  const std = numbers(spec, "std");
  if (std?.includes(0) === true) throw fail(spec, '"std" holds 0', "Deviations are above 0.");
  const reshape = numbers(spec, "reshape");
  return {
    ...(channels === null ? {} : { channels }),
    ...(mask === undefined ? {} : { mask }),
    ...(scale === undefined ? {} : { scale }),
    ...(mean === null ? {} : { mean }),
    ...(std === null ? {} : { std }),
    ...(layout === null ? {} : { layout }),
    ...(reshape === null ? {} : { reshape }),
  };
}

function labelsOf(reader: Reader): Samples | null {
  if (reader.json["labels"] === undefined) return null;
  const file = sibling(reader, "labels");
  if (!/\.csv$/i.test(file)) return checkLabels(openNpy(file));
  return labelColumn(file, csvRows(file));
}

function expectedOf(reader: Reader): Map<string, Expected> {
  const out = new Map<string, Expected>();
  if (reader.json["outputs"] === undefined) return out;
  const specs = object(reader, reader.json["outputs"], "outputs");
  for (const name of Object.keys(specs.json)) {
    const spec = object(specs, specs.json[name], name);
    only(spec, ["file", "scale"]);
    const [scale = 1] = numbers(spec, "scale") ?? [];
    out.set(name, { samples: openNpy(sibling(spec, "file")), scale });
  }
  return out;
}

function metricOf(root: Reader, task: DataTask): MetricName {
  const metric = METRICS[task].find((name) => name === root.json["metric"]);
  if (metric !== undefined) return metric;
  throw fail(
    root,
    `"metric" is ${show(root.json["metric"])}`,
    `For the task "${task}" it can be ${METRICS[task].join(", ")}.`,
  );
}

// Small readers of untrusted JSON; each names the place and what would be right.

function parse(file: string): unknown {
  const text = fileText(file, MAX_JSON_BYTES);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw dataErrors.bad(
      file,
      file,
      `it is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      'A dataset.json is an object with "task", "inputs" and "labels" or "outputs".',
    );
  }
}

function object(parent: Reader, value: unknown, name: string): Reader {
  const where = name === "the file" ? parent.where : joined(parent.where, name);
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return { file: parent.file, where, json: value as Json };
  throw fail(
    { ...parent, where },
    value === undefined ? "it is missing" : `it is ${show(value)}`,
    'It must be an object, e.g. "inputs": {"*": {"file": "x.npy"}}.',
  );
}
const joined = (where: string, name: string): string =>
  where === "the file" ? name : `${where}.${name}`;

function only(reader: Reader, known: readonly string[]): void {
  const unknown = Object.keys(reader.json).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  throw fail(
    reader,
    `it has the unknown key "${unknown}"`,
    `${near === null ? "" : `Did you mean "${near}"? `}Known: ${known.join(", ")}.`,
  );
}

function oneOf<T extends string>(reader: Reader, key: string, known: readonly T[]): T | null {
  const value = reader.json[key];
  if (value === undefined) return null;
  const found = known.find((name) => name === value);
  if (found !== undefined) return found;
  throw fail(reader, `"${key}" is ${show(value)}`, `It must be one of ${known.join(", ")}.`);
}

/** A number or a list of numbers (nested lists are flattened); null when absent. */
function numbers(reader: Reader, key: string): number[] | null {
  const value = reader.json[key];
  if (value === undefined) return null;
  const list = Array.isArray(value) ? value.flat(8) : [value];
  if (list.every((item) => typeof item === "number" && Number.isFinite(item)))
    return list as number[];
  throw fail(reader, `"${key}" is ${show(value)}`, "Give a number or a list of numbers.");
}

function whole(reader: Reader, key: string, min: number): number | null {
  const value = reader.json[key];
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min) return value;
  throw fail(reader, `"${key}" is ${show(value)}`, `It must be a whole number from ${min}.`);
}

/** A path in the file, relative to the file. */
function sibling(reader: Reader, key: string): string {
  const value = reader.json[key];
  if (typeof value === "string" && value !== "")
    return path.resolve(path.dirname(reader.file), value);
  throw fail(
    reader,
    value === undefined ? `"${key}" is missing` : `"${key}" is ${show(value)}`,
    "Give a path relative to the dataset.json.",
  );
}

const show = (value: unknown): string => JSON.stringify(value).slice(0, 80);
const fail = (reader: Reader, problem: string, hint: string): Error =>
  dataErrors.bad(
    reader.file,
    reader.where,
    reader.where === "the file" ? problem : `${reader.where}: ${problem}`,
    hint,
  );
