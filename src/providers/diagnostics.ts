/** Findings about open models in the Problems panel: what `lathe validate` says of the document as it is now. */
import * as vscode from "vscode";
import { Cancelled, type LatheError, toFailure } from "../shared/errors.ts";
import type { FindingView, Validation } from "../shared/protocol.ts";
import type { Disposable } from "./disposable.ts";
import type { Engine } from "./engine.ts";
import type { FailedDocument } from "./failedDocument.ts";
import type { ModelDocument } from "./modelDocument.ts";

/** Edits come in bursts (undo held down); the check waits for the last one. */
const SETTLE_MS = 400;
/** A model has no lines: everything is at its beginning. */
const START = new vscode.Range(0, 0, 0, 0);
/** The panel becomes slow with thousands; the Summary page has them all. */
const MAX_SHOWN = 200;

export interface Diagnostics extends Disposable {
  /** Until the answer is disposed of, which removes the document's findings. */
  follow(document: ModelDocument): Disposable;
  /** The one finding about a file that is no model, until its tab is closed. */
  failed(document: FailedDocument): void;
}

export function createDiagnostics(engine: Engine, log: vscode.LogOutputChannel): Diagnostics {
  const collection = vscode.languages.createDiagnosticCollection("lathe");
  return {
    follow(document) {
      let key = "";
      let timer: NodeJS.Timeout | undefined;
      let asked: AbortController | null = null;
      const check = async (): Promise<void> => {
        asked?.abort();
        const { signal } = (asked = new AbortController());
        try {
          const { doc } = document;
          const validation = await engine.ask("validate", { doc }, { signal });
          if (!signal.aborted) collection.set(document.uri, diagnosticsOf(validation));
        } catch (error) {
          // The page tells what is wrong with the engine or the file; here nothing is known then.
          if (signal.aborted || error instanceof Cancelled) return;
          collection.delete(document.uri);
          log.debug(`not validated: ${toFailure(error).message}`);
        }
      };
      const look = (): void => {
        const { base, recipe } = document.doc;
        const now = JSON.stringify([base, recipe]);
        if (now === key) return;
        key = now;
        clearTimeout(timer);
        timer = setTimeout(() => void check(), SETTLE_MS);
      };
      look();
      const listening = document.onChange(look);
      return {
        dispose() {
          listening.dispose();
          clearTimeout(timer);
          asked?.abort();
          collection.delete(document.uri);
        },
      };
    },
    failed({ uri, error, closed }) {
      collection.set(uri, [failureDiagnostic(error)]);
      void closed.then(() => collection.delete(uri));
    },
    dispose: () => collection.dispose(),
  };
}

function failureDiagnostic({ failure }: LatheError): vscode.Diagnostic {
  return diagnostic(
    [failure.message, failure.hint ?? ""].join(" ").trim(),
    vscode.DiagnosticSeverity.Error,
    "unreadable",
  );
}

function diagnosticsOf({ findings }: Validation): vscode.Diagnostic[] {
  return findings
    .slice(0, MAX_SHOWN)
    .map((finding) =>
      diagnostic(
        `${placeOf(finding)}${finding.message} ${finding.fix}`.trim(),
        finding.severity === "warning"
          ? vscode.DiagnosticSeverity.Warning
          : vscode.DiagnosticSeverity.Error,
        finding.code,
      ),
    );
}

/** Names of values are in the messages. */
const placeOf = ({ op, label, inFunction, inTraining }: FindingView): string => {
  const node = label === null ? "" : `${op ?? ""} "${label}"`;
  const inside = inFunction === null ? "" : vscode.l10n.t("in function {0}", inFunction);
  const training = inTraining === null ? "" : vscode.l10n.t("in training {0}", inTraining);
  const place = [node, inside, training].filter((part) => part !== "").join(" ");
  return place === "" ? "" : `${place}: `;
};

function diagnostic(
  message: string,
  severity: vscode.DiagnosticSeverity,
  code: string,
): vscode.Diagnostic {
  const made = new vscode.Diagnostic(START, message, severity);
  made.source = "Lathe";
  made.code = code;
  return made;
}
