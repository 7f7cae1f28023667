/** "Quantize Model…" asks where the result will run, then what is wanted; a preset answers both. */
import * as vscode from "vscode";
import { presetsFor, TARGETS, type Preset, type TargetId } from "../shared/presets.ts";

export interface PresetChoice {
  readonly target: TargetId;
  /** Null: one technique, with parameters of one's own. */
  readonly preset: Preset | null;
}

/** @param dataAtHand presets that need data come first only when there is some. Null when dismissed. */
export async function askPreset(title: string, dataAtHand: boolean): Promise<PresetChoice | null> {
  const target = await vscode.window.showQuickPick(
    TARGETS.map(({ id, title: label, note }) => ({ label, detail: note, id })),
    { title, placeHolder: vscode.l10n.t("Where will it run?") },
  );
  if (!target) return null;
  const presets = presetsFor(target.id);
  const ordered = dataAtHand
    ? presets
    : [...presets].sort((a, b) => Number(a.data === "required") - Number(b.data === "required"));
  const chosen = await vscode.window.showQuickPick(
    [
      ...ordered.map((preset) => ({
        label: preset.title,
        description: preset.data === "required" ? vscode.l10n.t("needs data") : "",
        detail: preset.detail,
        preset,
      })),
      {
        label: vscode.l10n.t("Custom…"),
        description: "",
        detail: vscode.l10n.t("One technique, with parameters of your choice."),
        preset: null,
      },
    ],
    {
      title: `${title}, ${target.label}`,
      placeHolder: vscode.l10n.t("Smaller, faster or both?"),
    },
  );
  return chosen ? { target: target.id, preset: chosen.preset } : null;
}
