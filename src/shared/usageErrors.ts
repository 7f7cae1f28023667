/** Failures of what was asked for: techniques, parameters and command lines; part of the catalogue in errors.ts. */
import { LatheError, ParamError, nearest } from "./failure.ts";

const didYouMean = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known);
  return `${near === null ? "" : `Did you mean "${near}"? `}Known: ${known.join(", ")}.`;
};

const show = (value: unknown): string => (typeof value === "string" ? `"${value}"` : String(value));

export const paramErrors = {
  unknownTransform: (id: string, known: readonly string[]): ParamError =>
    new ParamError({
      code: "param",
      message: `There is no technique "${id}".`,
      where: id,
      hint: didYouMean(id, known),
    }),
  unknownAnalyzer: (id: string, known: readonly string[]): ParamError =>
    new ParamError({
      code: "param",
      message: `There is no analyzer "${id}".`,
      where: id,
      hint: didYouMean(id, known),
    }),
  unknownKey: (technique: string, key: string, known: readonly string[]): ParamError =>
    new ParamError({
      code: "param",
      message: `${technique} has no parameter "${key}".`,
      where: key,
      hint: known.length === 0 ? `${technique} takes no parameters.` : didYouMean(key, known),
    }),
  badValue: (technique: string, key: string, value: unknown, expected: string): ParamError =>
    new ParamError({
      code: "param",
      message: `${technique}: ${key} is ${show(value)}.`,
      where: key,
      hint: `It must be ${expected}.`,
    }),
  badRecipe: (path: string, problem: string): ParamError =>
    new ParamError({
      code: "param",
      message: `The recipe ${path} cannot be used: ${problem}.`,
      where: path,
      hint: 'A recipe is JSON with "version": 1 and "entries": [{"transform": ID, "params": {…}}].',
    }),
  nothingInScope: (technique: string, scope: readonly string[]): ParamError =>
    new ParamError({
      code: "param",
      message: `${technique}: no unit matches the scope ${scope.map(show).join(", ")}.`,
      where: "scope",
      hint: "Run `lathe plan` without a scope to see the names of the units.",
    }),
};

export const usageErrors = {
  usage: (message: string, hint: string): LatheError =>
    new LatheError({ code: "usage", message, hint }),
  unknownTensor: (path: string, name: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${path} has no tensor "${name}".`,
      where: name,
      hint: "Run `lathe inspect --tensors` to see the names.",
    }),
  unknownNode: (path: string, key: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${path} has no node with the output "${key}".`,
      where: key,
      hint: "A node is known by its first output's name.",
    }),
  unknownCommand: (name: string, known: readonly string[]): LatheError =>
    new LatheError({
      code: "usage",
      message: `There is no command "${name}".`,
      where: name,
      hint: didYouMean(name, known),
    }),
  unknownOption: (command: string, option: string, known: readonly string[]): LatheError =>
    new LatheError({
      code: "usage",
      message: `\`lathe ${command}\` has no option ${option}.`,
      where: option,
      hint: didYouMean(option, known),
    }),
  optionNeedsValue: (option: string, value: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${option} needs a value.`,
      where: option,
      hint: `Write ${option} ${value}.`,
    }),
  optionTakesNoValue: (option: string, value: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${option} is given the value ${show(value)}, but takes none.`,
      where: option,
      hint: `Write just ${option}.`,
    }),
  badOptionValue: (option: string, value: string, expected: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${option} is ${show(value)}.`,
      where: option,
      hint: `It must be ${expected}.`,
    }),
  withoutTechnique: (option: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `${option} comes before any -t.`,
      where: option,
      hint: "Each -p and --scope belongs to the -t before it: write -t ID -p key=value.",
    }),
  badPair: (text: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `-p is ${show(text)}.`,
      where: "-p",
      hint: "It must be key=value, for example -p bits=4.",
    }),
  wrongArguments: (command: string, problem: string, usage: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `\`lathe ${command}\` ${problem}.`,
      where: command,
      hint: `Usage: ${usage}`,
    }),
  nothingToApply: (command: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `\`lathe ${command}\` was not told what to do.`,
      where: command,
      hint: "Name a technique with -t ID (see `lathe list`), or give a recipe (*.lathe.json).",
    }),
  presetAndOther: (preset: string, other: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `Both --preset ${preset} and ${other} are given.`,
      where: "--preset",
      hint: "Give one of them; `lathe list presets` shows a preset's techniques.",
    }),
  targetWithoutPreset: (): LatheError =>
    new LatheError({
      code: "usage",
      message: "--target is given without --preset.",
      where: "--target",
      hint: "With -t, the runtime is a parameter of the technique, for example -p target=tensorrt.",
    }),
  presetNotFor: (
    preset: string,
    target: string,
    known: readonly string[],
    reason: string | null,
  ): LatheError =>
    new LatheError({
      code: "usage",
      message: `There is no preset "${preset}" for ${target}.${reason === null ? "" : ` ${reason}`}`,
      where: "--preset",
      hint: `For ${target} there is: ${known.join(", ")}.`,
    }),
  recipeAndTechniques: (path: string): LatheError =>
    new LatheError({
      code: "usage",
      message: `Both the recipe ${path} and -t are given.`,
      where: path,
      hint: "Give one of them; a recipe is JSON and can be edited.",
    }),
};
