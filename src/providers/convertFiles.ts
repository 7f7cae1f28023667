/** "Convert Model…": asks what into, then writes a new file beside each model, never over anything. */
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { formatVerified, groupByReason } from "../shared/format.ts";
import { formatOfKind, kindOf, type ModelKind } from "../shared/modelPath.ts";
import { forEachFile, whatOf, type FileActionOptions, type Outcome } from "./fileOutcomes.ts";
import { convertedName } from "./outputName.ts";
import { pickModel } from "./pickers.ts";

interface Target {
  readonly label: string;
  readonly detail: string;
  readonly into: ModelKind;
  readonly externalData: "auto" | "always" | "never";
  /** Part of the output's name where it has the input's extension. */
  readonly suffix: string;
  /** The values come from another file. */
  readonly takesWeights: boolean;
}

const target = (
  into: ModelKind,
  label: string,
  detail: string,
  suffix: string,
  rest: Partial<Target> = {},
): Target => ({ into, label, detail, suffix, externalData: "auto", takesWeights: false, ...rest });

const FROM_ONNX: readonly Target[] = [
  target(
    "onnx",
    vscode.l10n.t("ONNX in one file"),
    vscode.l10n.t("All weights inside; up to 2 GB"),
    "single",
    { externalData: "never" },
  ),
  target(
    "onnx",
    vscode.l10n.t("ONNX with its weights in a file beside"),
    vscode.l10n.t("External data, aligned so that it can be mapped"),
    "external",
    { externalData: "always" },
  ),
  target(
    "safetensors",
    vscode.l10n.t("Weights alone, as safetensors"),
    vscode.l10n.t("Initializers and constants under their names"),
    "weights",
  ),
  target(
    "onnx",
    vscode.l10n.t("ONNX with other weights…"),
    vscode.l10n.t("Takes the values of a safetensors file, by name"),
    "tuned",
    { takesWeights: true },
  ),
];
const FROM_SAFETENSORS: readonly Target[] = [
  target(
    "safetensors",
    vscode.l10n.t("One safetensors file"),
    vscode.l10n.t("All shards in one"),
    "single",
  ),
  target(
    "shards",
    vscode.l10n.t("Shards and their index…"),
    vscode.l10n.t("Several files of at most a given size"),
    "sharded",
  ),
];

/** Sizes of shards that are usual. */
const SHARD_BYTES: readonly (readonly [label: string, bytes: number])[] = [
  ["500 MB", 5e8],
  ["2 GB", 2e9],
  ["5 GB", 5e9],
];

/** @param edited the model of the only file with edits that are not saved; null: files as they are on disk */
export async function convertFiles(
  options: FileActionOptions,
  files: readonly string[],
  edited: Doc | null = null,
): Promise<void> {
  const kinds = new Set(files.map((file) => formatOfKind(kindOf(file) ?? "onnx")));
  const title = vscode.l10n.t("Convert {0}", whatOf(files));
  if (kinds.size > 1) {
    void vscode.window.showWarningMessage(
      vscode.l10n.t("{0}: choose models of one format.", title),
    );
    return;
  }
  const targets = kinds.has("onnx") ? FROM_ONNX : FROM_SAFETENSORS;
  const chosen = await vscode.window.showQuickPick(targets, {
    title,
    placeHolder: vscode.l10n.t("Convert into"),
  });
  if (!chosen) return;
  const maxShardBytes = chosen.into === "shards" ? await askShardBytes(title) : null;
  if (chosen.into === "shards" && maxShardBytes === null) return;
  const [first = ""] = files;
  const weights = chosen.takesWeights
    ? await pickModel({ title, exclude: [], near: first, weightsOnly: true })
    : null;
  if (chosen.takesWeights && weights === null) return;
  await forEachFile(options, { title, files }, (file, signal, report) =>
    convertFile(options, { file, edited, chosen, maxShardBytes, weights }, signal, report),
  );
}

async function askShardBytes(title: string): Promise<number | null> {
  const items = SHARD_BYTES.map(([label, bytes]) => ({ label, bytes }));
  const placeHolder = vscode.l10n.t("Largest shard");
  return (await vscode.window.showQuickPick(items, { title, placeHolder }))?.bytes ?? null;
}

async function convertFile(
  { engine }: FileActionOptions,
  p: {
    readonly file: string;
    readonly edited: Doc | null;
    readonly chosen: Target;
    readonly maxShardBytes: number | null;
    readonly weights: string | null;
  },
  signal: AbortSignal,
  report: (fraction: number, message: string) => void,
): Promise<Outcome> {
  const { into, externalData, suffix } = p.chosen;
  const input = p.edited ?? (await engine.open(p.file));
  const weights = p.weights === null ? null : await engine.open(p.weights);
  const { sizeBytes: sizeBefore } = await engine.ask("summary", { doc: input }, { signal });
  const result = await engine.job(
    "convert",
    {
      doc: input,
      weights,
      to: convertedName(p.file, into, suffix),
      options: { externalData, overwrite: false, verify: true, maxShardBytes: p.maxShardBytes },
    },
    { signal, onProgress: report },
  );
  const replaced =
    weights === null
      ? vscode.l10n.t("{0} tensors", String(result.tensors))
      : vscode.l10n.t(
          "{0} of {1} tensors replaced",
          String(result.replaced),
          String(result.tensors),
        );
  const verified =
    result.verified === true && into !== "onnx"
      ? vscode.l10n.t("every tensor equals its source")
      : formatVerified(result.verified);
  return {
    kind: "written",
    input,
    output: result.path,
    sizeBytes: result.sizeBytes,
    sizeBefore,
    result: `${replaced}; ${verified}`,
    details: groupByReason(result.skipped).map(({ reason, names }) =>
      vscode.l10n.t("skipped {0}: {1}", names.join(", "), reason),
    ),
    next: [],
  };
}
