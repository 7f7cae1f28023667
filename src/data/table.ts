/** .csv and .jsonl: a column per input (or per feature), and one for the label. */
import Papa from "papaparse";
import { dataErrors } from "../shared/errors.ts";
import type { IoInfo } from "../shared/hostTensor.ts";
import type { Dataset, ModelIo } from "./dataset.ts";
import { fileText } from "./files.ts";
import { prepared, type Prepared } from "./preprocess.ts";
import { inMemory, product, type Samples } from "./samples.ts";

/** Tables are parsed in memory; larger data belongs in .npy files. */
const MAX_TABLE_BYTES = 2 ** 28;
const LABEL_COLUMNS = ["label", "labels", "class"];

type Row = Readonly<Record<string, unknown>>;

/** Rows of a .csv with a header line. @throws DataError naming the line that does not parse. */
export function csvRows(path: string): readonly Readonly<Record<string, string>>[] {
  const text = fileText(path, MAX_TABLE_BYTES);
  const { data, errors } = Papa.parse<Record<string, string>>(text, {
    header: true,
    skipEmptyLines: true,
  });
  const [problem] = errors.filter(({ code }) => code !== "UndetectableDelimiter");
  if (problem)
    throw dataErrors.bad(
      path,
      `line ${(problem.row ?? 0) + 2}`,
      `line ${(problem.row ?? 0) + 2}: ${problem.message}`,
      "The first line names the columns; every line has one value for each.",
    );
  return data;
}

/** Labels of a labels.csv. @throws DataError naming the line without a whole number. */
export function labelColumn(
  csv: string,
  rows: readonly Readonly<Record<string, string>>[],
): Samples {
  const labels = rows.map((row, index) => {
    const text = row["label"] ?? "";
    if (/^\d+$/.test(text.trim())) return Number(text);
    throw dataErrors.bad(
      csv,
      `line ${index + 2}`,
      `line ${index + 2} has the label "${text}"`,
      'The columns are "file" and "label"; a label is a whole number from 0.',
    );
  });
  return inMemory(csv, "int32", [labels.length], Int32Array.from(labels));
}

function jsonlRows(path: string): readonly Row[] {
  return fileText(path, MAX_TABLE_BYTES)
    .split("\n")
    .map((line, index) => ({ line, index }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, index }) => {
      try {
        const row: unknown = JSON.parse(line);
        if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as Row;
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
      throw dataErrors.bad(
        path,
        `line ${index + 1}`,
        `line ${index + 1} is not a JSON object`,
        'Write one object per line, e.g. {"input": [1, 2], "label": 0}.',
      );
    });
}

/** @throws DataError when a column is missing or a cell does not parse. */
export function openTable(path: string, io: ModelIo): Dataset {
  const csv = /\.csv$/i.test(path);
  const rows: readonly Row[] = csv ? csvRows(path) : jsonlRows(path);
  const [first] = rows;
  if (first === undefined) throw dataErrors.empty(path);
  const columns = Object.keys(first);
  const label = LABEL_COLUMNS.find((name) => columns.includes(name)) ?? null;
  const inputs = new Map<string, Prepared>();
  for (const input of io.inputs) {
    const own = columnsOf(input, io, columns, label);
    if (own.length === 0) throw dataErrors.inputMissing(path, input.name, columns);
    inputs.set(input.name, prepared(columnSamples(path, rows, own, input), {}, input.name));
  }
  return {
    path,
    task: label === null ? null : "classification",
    metric: null,
    inputs,
    labels: label === null ? null : labelSamples(path, rows, label),
    expected: new Map(),
  };
}

/** The column of the input's name, `name[0]`, `name[1]` …, or all but the label for an only input. */
function columnsOf(
  input: IoInfo,
  io: ModelIo,
  columns: readonly string[],
  label: string | null,
): readonly string[] {
  if (columns.includes(input.name)) return [input.name];
  const numbered = columns.filter(
    (column) => column.startsWith(`${input.name}[`) && column.endsWith("]"),
  );
  if (numbered.length > 0) return numbered;
  return io.inputs.length === 1 ? columns.filter((column) => column !== label) : [];
}

function columnSamples(
  path: string,
  rows: readonly Row[],
  columns: readonly string[],
  input: IoInfo,
): Samples {
  const [only = ""] = columns;
  const sample = rows[0]?.[only];
  const shape = columns.length === 1 ? shapeOf(sample) : [columns.length];
  const size = product(shape);
  const text = input.dtype === "string";
  const cells = rows.flatMap((row, index): (string | number)[] => {
    const values = columns.flatMap((column) => flat(row[column]));
    if (values.length !== size)
      throw badCell(path, index, only, `has ${values.length} values, the first row has ${size}`);
    return text ? values.map(String) : values.map((value) => toNumber(path, index, only, value));
  });
  // A single column is one value per sample: models take those as [N, 1] or [N].
  const own = columns.length === 1 && shape.length === 0 && input.shape.length === 2 ? [1] : shape;
  return text
    ? inMemory(path, "string", [rows.length, ...own], cells as string[])
    : inMemory(path, "float64", [rows.length, ...own], Float64Array.from(cells as number[]));
}

function labelSamples(path: string, rows: readonly Row[], column: string): Samples {
  const labels = rows.map((row, index) => {
    const value = toNumber(path, index, column, row[column]);
    if (!Number.isInteger(value)) throw badCell(path, index, column, `is ${value}`);
    return value;
  });
  return inMemory(path, "int32", [rows.length], Int32Array.from(labels));
}

const flat = (value: unknown): unknown[] =>
  Array.isArray(value) ? value.flatMap((item) => flat(item)) : [value];
const shapeOf = (value: unknown): number[] =>
  Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];

function toNumber(path: string, row: number, column: string, value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "boolean") return Number(number);
  if (typeof number === "number" && !Number.isNaN(number)) return number;
  throw badCell(path, row, column, `is ${JSON.stringify(value) ?? "missing"}`);
}

const badCell = (path: string, row: number, column: string, problem: string): Error =>
  dataErrors.bad(
    path,
    `sample ${row}, column ${column}`,
    `column "${column}" of sample ${row} ${problem}`,
    "Every sample needs a number there.",
  );
