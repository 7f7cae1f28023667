/** A technique's parameters as quick picks, generated from its schema. */
import * as vscode from "vscode";
import type { ParamValue, ParamValues } from "../shared/doc.ts";
import { LatheError } from "../shared/errors.ts";
import {
  parseParam,
  readParams,
  type NumberParam,
  type Param,
  type TextParam,
} from "../shared/params.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import { failureText } from "./failures.ts";

/**
 * The parameters to use, or null when dismissed. One list shows them all: its first line takes them
 * as they are, any other changes one and comes back.
 */
export async function askParams(
  title: string,
  technique: CatalogEntry,
): Promise<ParamValues | null> {
  const schema = Object.entries(technique.params);
  const defaults = readParams(technique.id, technique.params, {});
  const values: Record<string, ParamValue> = { ...defaults };
  if (schema.length === 0) return defaults;
  for (;;) {
    const changed = schema.some(([key]) => values[key] !== defaults[key]);
    const run = {
      label: changed
        ? vscode.l10n.t("$(play) Use these settings")
        : vscode.l10n.t("$(play) Use defaults"),
      detail: technique.summary,
      key: null,
    };
    const items = schema.map(([key, param]) => ({
      label: `$(edit) ${param.title}`,
      description: `${show(param, values[key])}${values[key] === defaults[key] ? "" : vscode.l10n.t(" (changed)")}`,
      key,
    }));
    const separator = {
      label: vscode.l10n.t("change"),
      kind: vscode.QuickPickItemKind.Separator,
      key: null,
    };
    const chosen = await vscode.window.showQuickPick([run, separator, ...items], {
      title,
      placeHolder: vscode.l10n.t("Press Enter to start, or choose a parameter to change it"),
    });
    if (!chosen) return null;
    if (chosen.key === null) return readParams(technique.id, technique.params, values);
    const { key } = chosen;
    const param = technique.params[key];
    const value = param ? await askParam(technique.id, title, key, param) : null;
    // Dismissed: back to the list, with this parameter as it was.
    if (value !== null) values[key] = value;
  }
}

/** A value as people read it: with its unit, flags as words. */
function show(param: Param, value: ParamValue | undefined): string {
  if (param.type === "flag") return value === true ? vscode.l10n.t("yes") : vscode.l10n.t("no");
  const unit = param.type === "number" && param.unit !== undefined ? ` ${param.unit}` : "";
  return value === "" ? vscode.l10n.t("nothing") : `${String(value)}${unit}`;
}

function askParam(
  technique: string,
  title: string,
  key: string,
  param: Param,
): Promise<ParamValue | null> {
  switch (param.type) {
    case "choice":
      return askOneOf(title, param, param.of);
    case "flag":
      return askOneOf(title, param, [true, false]);
    case "text":
      return askText(technique, title, key, param);
    case "number":
      return param.of ? askOneOf(title, param, param.of) : askNumber(technique, title, key, param);
  }
}

/** The default comes first, so that Enter takes it. */
async function askOneOf(
  title: string,
  param: Param,
  values: readonly ParamValue[],
): Promise<ParamValue | null> {
  const ordered = [...values].sort(
    (a, b) => Number(b === param.default) - Number(a === param.default),
  );
  const items = ordered.map((value) => ({
    label: show(param, value),
    ...(value === param.default ? { description: vscode.l10n.t("default") } : {}),
    value,
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: `${param.title}: ${param.help}`,
  });
  return chosen ? chosen.value : null;
}

async function askNumber(
  technique: string,
  title: string,
  key: string,
  param: NumberParam,
): Promise<number | null> {
  const text = await askText(technique, title, key, param);
  return text === null ? null : Number(text);
}

async function askText(
  technique: string,
  title: string,
  key: string,
  param: NumberParam | TextParam,
): Promise<string | null> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: `${param.title}: ${param.help}`,
    value: String(param.default),
    validateInput: (typed) => {
      try {
        readParams(technique, { [key]: param }, { [key]: parseParam(param, typed) });
        return null;
      } catch (error) {
        if (error instanceof LatheError) return failureText(error.failure);
        throw error;
      }
    },
  });
  return text ?? null;
}
