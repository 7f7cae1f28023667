/** A technique's parameters asked one after the other, generated from its schema. */
import * as vscode from "vscode";
import type { ParamValue, ParamValues } from "../shared/doc.ts";
import { LatheError } from "../shared/errors.ts";
import { parseParam, readParams, type NumberParam, type Param } from "../shared/params.ts";
import type { CatalogEntry } from "../shared/protocol.ts";
import { failureText } from "./failures.ts";

/** The parameters to use, or null when dismissed. One choice when the defaults will do. */
export async function askParams(
  title: string,
  technique: CatalogEntry,
): Promise<ParamValues | null> {
  const schema = Object.entries(technique.params);
  const defaults = readParams(technique.id, technique.params, {});
  if (schema.length === 0) return defaults;
  const use = {
    label: vscode.l10n.t("Use defaults"),
    detail: schema
      .map(([key, param]) => `${param.title}: ${show(param, defaults[key])}`)
      .join(" · "),
  };
  const change = {
    label: vscode.l10n.t("Change…"),
    detail: vscode.l10n.t("Choose each parameter"),
  };
  const chosen = await vscode.window.showQuickPick([use, change], {
    title,
    placeHolder: technique.summary,
  });
  if (!chosen) return null;
  if (chosen === use) return defaults;
  const values: Record<string, ParamValue> = {};
  for (const [index, [key, param]] of schema.entries()) {
    const step = `${title} (${index + 1}/${schema.length})`;
    const value = await askParam(technique.id, step, key, param);
    if (value === null) return null;
    values[key] = value;
  }
  return readParams(technique.id, technique.params, values);
}

/** A value as people read it: with its unit, flags as words. */
function show(param: Param, value: ParamValue | undefined): string {
  if (param.type === "flag") return value === true ? vscode.l10n.t("yes") : vscode.l10n.t("no");
  const unit = param.type === "number" && param.unit !== undefined ? ` ${param.unit}` : "";
  return `${String(value)}${unit}`;
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
  return text === undefined ? null : Number(text);
}
