/** What `lathe validate` says of a file, in the terms of the ONNX checker. */
import type { Model } from "../../src/core/model.ts";
import { openModel } from "../../src/engine/files.ts";
import { validateModel, type Finding } from "../../src/core/validate/index.ts";
import {
  hiddenNames,
  messageFindings,
  trainingFindings,
  trainingOf,
} from "../../src/formats/index.ts";
import { FormatError } from "../../src/shared/errors.ts";

export interface Verdict {
  /** Accepted by the checker's plain check, and with shape inference too (`full_check`). */
  readonly plain: boolean;
  readonly full: boolean;
  readonly findings: readonly Finding[];
  /** What the reader says of a file that is no model at all. */
  readonly unreadable: string | null;
}

export const verdictOf = (file: string): Verdict => verdictOn(() => openModel(file));

export function verdictOn(open: () => Model): Verdict {
  try {
    const model = open();
    const training = trainingOf(model);
    const findings = [
      ...messageFindings(model),
      ...trainingFindings(model, training),
      ...validateModel(model, (path) => hiddenNames(model, path), training),
    ];
    const has = (severity: Finding["severity"]): boolean =>
      findings.some((finding) => finding.severity === severity);
    const plain = !has("error");
    return { plain, full: plain && !has("type"), findings, unreadable: null };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { plain: false, full: false, findings: [], unreadable: error.message };
  }
}
