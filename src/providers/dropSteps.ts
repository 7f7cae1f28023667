/** Asks how much of the metric a result may lose. */
import * as vscode from "vscode";

const DEFAULT_DROP = "1";
/** In %. */
const USUAL = [0.5, 1, 2];

/** What a result is held against; null: it is measured, and any drop is taken. */
export interface AllowedDrop {
  /** As a share: 0.01 is one point of an accuracy, or one percent of anything else. */
  readonly limit: number | null;
}

/** With the usual answers ready. Null when dismissed. */
export async function askAllowedDrop(title: string): Promise<AllowedDrop | null> {
  const chosen = await vscode.window.showQuickPick(
    [
      {
        label: vscode.l10n.t("No limit, show me what it costs"),
        answer: (): Promise<AllowedDrop> => Promise.resolve({ limit: null }),
      },
      ...USUAL.map((percent) => ({
        label: vscode.l10n.t("{0} %", String(percent)),
        answer: (): Promise<AllowedDrop> => Promise.resolve({ limit: percent / 100 }),
      })),
      {
        label: vscode.l10n.t("Another limit…"),
        answer: async (): Promise<AllowedDrop | null> => {
          const limit = await askDrop(title);
          return limit === null ? null : { limit };
        },
      },
    ],
    {
      title,
      placeHolder: vscode.l10n.t(
        "How much may it lose? Points of accuracy, or percent of perplexity and errors",
      ),
    },
  );
  return chosen ? chosen.answer() : null;
}

/** A share, typed in %; null when dismissed. */
export async function askDrop(title: string): Promise<number | null> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t(
      "Largest drop in %: points of accuracy, or percent of perplexity and errors. It holds only if its 95 % interval is within it.",
    ),
    value: DEFAULT_DROP,
    validateInput: (typed) =>
      readDrop(typed) === null ? vscode.l10n.t("A number from 0 to 100.") : null,
  });
  return text === undefined ? null : readDrop(text);
}

function readDrop(typed: string): number | null {
  const text = typed.replace("%", "").trim();
  const value = Number(text);
  return text !== "" && value >= 0 && value <= 100 ? value / 100 : null;
}
