/** Running jobs in the status bar, and the one that the Cancel command means. */
import * as vscode from "vscode";
import type { ModelDocument } from "./modelDocument.ts";

export interface JobStatus {
  /** Runs long work of a document with its progress in the status bar. */
  run<T>(document: ModelDocument, title: string, work: () => Promise<T>): Promise<T>;
  /** Runs work on files with a notification that can cancel it. */
  notify<T>(
    title: string,
    work: (signal: AbortSignal, report: (fraction: number, message: string) => void) => Promise<T>,
  ): Promise<T>;
  cancelAll(): void;
}

export function createJobStatus(): JobStatus {
  const running = new Set<{ cancel(): void }>();
  const track = async <T>(job: { cancel(): void }, work: () => Promise<T>): Promise<T> => {
    running.add(job);
    void vscode.commands.executeCommand("setContext", "lathe.jobRunning", true);
    try {
      return await work();
    } finally {
      running.delete(job);
      void vscode.commands.executeCommand("setContext", "lathe.jobRunning", running.size > 0);
    }
  };
  return {
    run: (document, title, work) =>
      track({ cancel: () => document.cancel() }, () => withStatusBar(document, title, work)),
    notify(title, work) {
      const abort = new AbortController();
      const options = {
        location: vscode.ProgressLocation.Notification,
        title,
        cancellable: true,
      };
      return track({ cancel: () => abort.abort() }, async () =>
        vscode.window.withProgress(options, (progress, token) => {
          token.onCancellationRequested(() => abort.abort());
          let reported = 0;
          return work(abort.signal, (fraction, message) => {
            const percent = Math.round(fraction * 100);
            progress.report({ message, increment: Math.max(0, percent - reported) });
            reported = Math.max(reported, percent);
          });
        }),
      );
    },
    cancelAll: () => {
      for (const job of [...running]) job.cancel();
    },
  };
}

async function withStatusBar<T>(
  document: ModelDocument,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const item = vscode.window.createStatusBarItem(
    "lathe.job",
    vscode.StatusBarAlignment.Left,
    // Left of most other items: it is there only while something runs.
    1000,
  );
  item.name = vscode.l10n.t("Lathe Job");
  item.command = "lathe.cancel";
  item.tooltip = vscode.l10n.t("Click to cancel");
  const update = (): void => {
    const percent = Math.round((document.job?.fraction ?? 0) * 100);
    item.text = `$(loading~spin) ${title} ${percent} %`;
  };
  update();
  item.show();
  const changes = document.onChange(update);
  try {
    return await work();
  } finally {
    changes.dispose();
    item.dispose();
  }
}
