/** "Explain…" on a result that lost too much: which layers did it, and the same again without them. */
import path from "node:path";
import * as vscode from "vscode";
import type { Doc, Entry } from "../shared/doc.ts";
import type { FileActionOptions, NextAction } from "./fileOutcomes.ts";

export async function explainFile(
  { engine, log, status }: FileActionOptions,
  p: {
    readonly before: Doc;
    readonly recipe: readonly Entry[];
    readonly data: string;
    /** Writes another result, by the recipe that leaves the worst layers as they were. */
    readonly again: (entries: readonly Entry[]) => Promise<void>;
    readonly others: readonly NextAction[];
  },
): Promise<void> {
  const { before, recipe, data } = p;
  const name = path.basename(before.base.path);
  const title = vscode.l10n.t("Explain what {0} loses", name);
  const answer = await status.notify(title, (signal, onProgress) =>
    engine.job(
      "explain",
      { before, after: { ...before, recipe }, data, limit: null },
      { signal, onProgress },
    ),
  );
  for (const line of answer.findings) log.info(`${title}: ${line}`);
  for (const skip of answer.skipped) log.info(`  ${skip.name}: ${skip.reason}`);
  const keep = answer.keep?.entries ?? null;
  const actions: readonly NextAction[] = [
    ...(keep === null
      ? []
      : [{ title: vscode.l10n.t("Keep These as They Were"), run: () => p.again(keep) }]),
    ...p.others,
    {
      title: vscode.l10n.t("Details"),
      run: () => {
        log.show();
        return Promise.resolve();
      },
    },
  ];
  // The first sentence says what the result's own message has said.
  const text = `${name}: ${answer.findings.slice(1).join(" ")}`;
  const choice = await vscode.window.showInformationMessage(
    text,
    ...actions.map((action) => action.title),
  );
  await actions.find((action) => action.title === choice)?.run();
}
