/** Every option of the command line, once: the parser, the help and the documentation read it. */

import { PRESET_IDS, TARGETS } from "../shared/presets.ts";

interface OptionBase {
  readonly short?: string;
  readonly help: string;
}
/** Present or not. */
export interface FlagOption extends OptionBase {
  readonly kind: "flag";
}
export interface TextOption extends OptionBase {
  readonly kind: "text";
  /** What the value is called in help texts. */
  readonly value: string;
  readonly of?: readonly string[];
}
export interface NumberOption extends OptionBase {
  readonly kind: "number";
  readonly value: string;
  readonly min: number;
  readonly max: number;
}
/** Repeats in order and belongs to the technique before it. */
export interface EntryOption extends OptionBase {
  readonly kind: "entry";
  readonly value: string;
}
export type Option = FlagOption | TextOption | NumberOption | EntryOption;

export const OPTIONS = {
  technique: {
    kind: "entry",
    short: "t",
    value: "ID",
    help: "Technique to use, for example quantize.weightOnly. Repeats; they are applied in order.",
  },
  param: {
    kind: "entry",
    short: "p",
    value: "KEY=VALUE",
    help: "Parameter of the -t before it, or of the analyzers of --with. Repeats.",
  },
  with: {
    kind: "text",
    value: "ID,…",
    help: "Analyzers to run, for example cost.model; a * stands for any characters. See `lathe list analyzers`.",
  },
  preset: {
    kind: "text",
    value: "ID",
    of: PRESET_IDS,
    help: "A ready recipe in place of -t; see `lathe list presets`.",
  },
  target: {
    kind: "text",
    value: "RUNTIME",
    of: TARGETS.map(({ id }) => id),
    help: "Runtime that the --preset is for (default onnxruntime).",
  },
  scope: {
    kind: "entry",
    value: "PATTERN",
    help: "Limits the -t before it to units of this name; * matches anything. Repeats.",
  },
  out: { kind: "text", short: "o", value: "OUT", help: "File to write." },
  from: {
    kind: "text",
    value: "V,…",
    help: "Values that become inputs (default: the model's inputs that are needed).",
  },
  to: {
    kind: "text",
    value: "V,…",
    help: "Values that become outputs (default: the model's outputs).",
  },
  data: {
    kind: "text",
    value: "DATA",
    help: "Data to measure with: dataset.json, .npz, .csv, .jsonl, a text file, or a folder of images with labels.csv.",
  },
  activations: {
    kind: "flag",
    help: "Also compare the values inside, layer by layer: where a difference starts.",
  },
  "external-data": {
    kind: "text",
    value: "WHEN",
    of: ["auto", "always", "never"],
    help: "Whether weights go to a file of their own: auto keeps the input's layout, but never exceeds 2 GB in one file.",
  },
  "max-shard-size": {
    kind: "text",
    value: "SIZE",
    help: "Tensor data per shard of a .safetensors.index.json, for example 2GB (default: the shards there are, or 5GB).",
  },
  weights: {
    kind: "text",
    value: "FILE",
    help: "Weights to take into the model, by name: .safetensors or .safetensors.index.json.",
  },
  force: { kind: "flag", help: "Replace an existing file, or the input itself." },
  "no-verify": { kind: "flag", help: "Do not load and run the result before writing it." },
  tensors: { kind: "flag", help: "List every tensor with its place in the file." },
  html: { kind: "text", value: "FILE", help: "Also write the report as one self-contained page." },
  "max-drop": {
    kind: "text",
    value: "PERCENT",
    help: "Largest drop of the data's metric, for example 1%: points for accuracies, else relative.",
  },
  "target-size": {
    kind: "text",
    value: "SIZE",
    help: "Largest size of the result: a share of the input (25%), or bytes (10MB).",
  },
  "max-size": {
    kind: "text",
    value: "SIZE",
    help: "Largest size allowed, weights in other files included: bytes (10MB), or a share of the --baseline (50%).",
  },
  baseline: {
    kind: "text",
    value: "MODEL",
    help: "The model to hold it against: the one before compression, or the last released.",
  },
  faster: { kind: "flag", help: "Only what is measured to be faster here." },
  limit: {
    kind: "number",
    value: "N",
    min: 1,
    max: 1e9,
    help: "Use the first N samples only.",
  },
  runs: {
    kind: "number",
    value: "N",
    min: 1,
    max: 100_000,
    help: "Timed runs per model (default 50).",
  },
  threads: {
    kind: "number",
    value: "N",
    min: 1,
    max: 1024,
    help: "Threads to compute with (default: one per core).",
  },
  json: { kind: "flag", help: "Print one JSON object on standard output, and nothing else there." },
  quiet: { kind: "flag", help: "No progress on standard error." },
  help: { kind: "flag", short: "h", help: "Show this help." },
  version: { kind: "flag", help: "Show the version." },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof OPTIONS;
type NameOf<K extends Option["kind"]> = {
  [N in OptionName]: (typeof OPTIONS)[N]["kind"] extends K ? N : never;
}[OptionName];
export type FlagName = NameOf<"flag">;
export type TextName = NameOf<"text">;
export type NumberName = NameOf<"number">;

/** What each command accepts besides its own options. */
export const COMMON_OPTIONS: readonly OptionName[] = ["json", "quiet", "threads", "help"];

export const isOptionName = (name: string): name is OptionName => Object.hasOwn(OPTIONS, name);
export const optionOf = (name: OptionName): Option => OPTIONS[name];

/** "-o", "--data": how people type it, the short form where there is one. */
export function optionLabel(name: OptionName): string {
  const { short } = optionOf(name);
  return short === undefined ? `--${name}` : `-${short}`;
}
