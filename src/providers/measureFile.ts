/** Holds a file that was written against its original and what it was allowed to lose. */
import * as vscode from "vscode";
import type { Doc } from "../shared/doc.ts";
import { dropLimitText, judgeDrop, type DropVerdict } from "../shared/dropLimit.ts";
import { Cancelled, toFailure } from "../shared/errors.ts";
import type { AllowedDrop } from "./dropSteps.ts";
import type { Engine } from "./engine.ts";
import { failureText } from "./failures.ts";
import { qualityText, timeText } from "./qualityText.ts";

export interface Measured {
  readonly text: string;
  /** Null where no limit was given or the drop could not be measured. */
  readonly verdict: DropVerdict | null;
}

/**
 * The result is there already: a failure to measure it is part of what is said about it.
 * @param p.latency whether it is for a runtime whose speed can be measured here
 */
export async function measureFile(
  engine: Engine,
  p: {
    readonly before: Doc;
    readonly output: string;
    readonly data: string;
    readonly allowed: AllowedDrop;
    readonly latency: boolean;
  },
  signal: AbortSignal,
  onProgress: (fraction: number, message: string) => void,
): Promise<Measured> {
  const { limit } = p.allowed;
  try {
    const { accuracy, latency, notes } = await engine.job(
      "diffMeasures",
      {
        before: p.before,
        after: await engine.open(p.output),
        data: p.data,
        latency: p.latency,
        activations: false,
      },
      { signal, onProgress },
    );
    // The last note says why.
    if (accuracy === null) return { text: (notes.at(-1) ?? "").replace(/\.$/, ""), verdict: null };
    const parts = [qualityText(accuracy), timeText(latency)];
    if (limit !== null) parts.splice(1, 0, dropLimitText(accuracy, limit));
    return {
      text: parts.filter((text) => text !== null).join(", "),
      verdict: limit === null ? null : judgeDrop(accuracy, limit),
    };
  } catch (error) {
    const reason =
      error instanceof Cancelled ? vscode.l10n.t("cancelled") : failureText(toFailure(error));
    return { text: vscode.l10n.t("the drop was not measured: {0}", reason), verdict: null };
  }
}
