/** What became of the files that a command worked on: in a message with what can be done next, and in the log. */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { Cancelled, toFailure } from "../shared/errors.ts";
import { formatBytes, formatPercent } from "../shared/format.ts";
import { failureText, showFailure } from "./failures.ts";
import type { ModelEditorProvider } from "./modelEditor.ts";
import type { DataMemory } from "./dataMemory.ts";
import type { Engine } from "./engine.ts";
import type { JobStatus } from "./status.ts";

/** What a result that is not as it was wanted offers to do about it. */
export interface NextAction {
  readonly title: string;
  readonly run: () => Promise<void>;
}

interface Written {
  readonly kind: "written";
  readonly input: Doc;
  readonly output: string;
  readonly sizeBytes: number;
  /** Of all of the input's files; the input itself where it is one. */
  readonly sizeBefore?: number;
  /** What else there is to say, in a line: whether it was verified, what changed. */
  readonly result: string;
  /** Lines of the log. */
  readonly details: readonly string[];
  /** Empty where the result is what was asked for. */
  readonly next: readonly NextAction[];
}

/** What became of one file. */
export type Outcome =
  | Written
  | {
      readonly kind: "unchanged";
      readonly file: string;
      readonly text: string;
      /** "" for none. */
      readonly reason: string;
      readonly details: readonly string[];
    }
  | { readonly kind: "failed"; readonly file: string; readonly error: unknown };

export interface OutcomeOptions {
  readonly log: vscode.LogOutputChannel;
  readonly status: JobStatus;
  readonly editor: ModelEditorProvider;
}

export interface FileActionOptions extends OutcomeOptions {
  readonly engine: Engine;
  readonly memory: DataMemory;
}

/**
 * Works on one file after the other, with one notification; a failure of one is no failure of the
 * others, and cancelling keeps what is written by then.
 */
export async function forEachFile(
  options: OutcomeOptions,
  p: { readonly title: string; readonly files: readonly string[] },
  work: (
    file: string,
    signal: AbortSignal,
    report: (fraction: number, message: string) => void,
  ) => Promise<Outcome>,
): Promise<void> {
  const { files, title } = p;
  const outcomes = await options.status.notify(title, async (signal, report) => {
    const done: Outcome[] = [];
    for (const [index, file] of files.entries()) {
      const part = (fraction: number, message: string): void =>
        report(
          (index + fraction) / files.length,
          files.length === 1 ? message : `${path.basename(file)} ${message}`,
        );
      try {
        done.push(await work(file, signal, part));
      } catch (error) {
        if (error instanceof Cancelled) break;
        done.push({ kind: "failed", file, error });
      }
    }
    return done;
  });
  for (const outcome of outcomes) {
    options.log.info(`${title}: ${outcomeText(outcome)}`);
    if (outcome.kind !== "failed")
      for (const line of outcome.details) options.log.info(`  ${line}`);
  }
  await showOutcomes(options, outcomes);
}

/** "tiny.onnx" or "3 models". */
export const whatOf = (files: readonly string[]): string =>
  files.length === 1
    ? path.basename(files[0] ?? "")
    : vscode.l10n.t("{0} models", String(files.length));

/** "tiny.w4.onnx: 3.20 MB → 700 kB (21.9 %), verified by running it". */
function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "written":
      return `${path.basename(outcome.output)}: ${sizesOf(outcome)}, ${outcome.result}`;
    case "unchanged": {
      const why = outcome.reason === "" ? "" : `: ${outcome.reason}`;
      return `${path.basename(outcome.file)}: ${outcome.text}${why}`;
    }
    case "failed":
      return `${path.basename(outcome.file)}: ${failureText(toFailure(outcome.error))}`;
  }
}

const bytesBefore = ({ input, sizeBefore }: Written): number =>
  sizeBefore ?? input.base.fingerprint.sizeBytes;
function sizesOf(written: Written): string {
  const { sizeBytes } = written;
  const before = bytesBefore(written);
  return `${formatBytes(before)} → ${formatBytes(sizeBytes)} (${formatPercent(sizeBytes / before)})`;
}

async function showOutcomes(options: OutcomeOptions, outcomes: readonly Outcome[]): Promise<void> {
  const [first] = outcomes;
  if (!first) return;
  if (outcomes.length === 1 && first.kind === "failed")
    return showFailure(first.error, options.log);
  const written = outcomes.filter((outcome) => outcome.kind === "written");
  const failed = outcomes.filter((outcome) => outcome.kind === "failed");
  const text = outcomes.length === 1 ? outcomeText(first) : batchText(outcomes);
  const open = vscode.l10n.t("Open");
  const compare = vscode.l10n.t("Compare");
  const details = vscode.l10n.t("Details");
  const next = [...new Set(written.flatMap((one) => one.next.map(({ title }) => title)))];
  const buttons = [...next, ...(written.length > 0 ? [open, compare] : []), details];
  const choice =
    failed.length > 0 || next.length > 0
      ? await vscode.window.showWarningMessage(text, ...buttons)
      : await vscode.window.showInformationMessage(text, ...buttons);
  if (choice === undefined) return;
  if (choice === details) return options.log.show();
  const offered = ({ next: own }: Written): NextAction | undefined =>
    own.find(({ title }) => title === choice);
  const isNext = next.includes(choice);
  const one = await pickWritten(choice, isNext ? written.filter(offered) : written);
  if (one && isNext) await offered(one)?.run();
  else if (one)
    await options.editor.show(vscode.Uri.file(one.output), {
      page: choice === open ? "summary" : "diff",
      technique: null,
      compareWith: choice === open ? null : one.input,
    });
}

/** One of the files that were written; without asking when there is only one. */
async function pickWritten(title: string, written: readonly Written[]): Promise<Written | null> {
  const [only] = written;
  if (only && written.length === 1) return only;
  const items = written.map((outcome) => ({
    label: path.basename(outcome.output),
    description: sizesOf(outcome),
    detail: outcome.result,
    outcome,
  }));
  const chosen = await vscode.window.showQuickPick(items, { title });
  return chosen?.outcome ?? null;
}

function batchText(outcomes: readonly Outcome[]): string {
  const written = outcomes.filter((outcome) => outcome.kind === "written");
  const before = written.reduce((sum, one) => sum + bytesBefore(one), 0);
  const after = written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const rest = outcomes.filter((outcome) => outcome.kind !== "written").map(outcomeText);
  const sizes =
    written.length === 0
      ? ""
      : ` ${formatBytes(before)} → ${formatBytes(after)} (${formatPercent(after / before)}).`;
  return `${vscode.l10n.t("{0} of {1} models written.", String(written.length), String(outcomes.length))}${sizes}${rest.length === 0 ? "" : ` ${rest.join("; ")}`}`;
}
