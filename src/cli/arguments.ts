/** The command line as data. Knows the options' forms, not what commands do with them. */
import { parseArgs } from "node:util";
import { usageErrors } from "../shared/errors.ts";
import {
  isOptionName,
  optionLabel,
  optionOf,
  OPTIONS,
  type FlagName,
  type NumberName,
  type OptionName,
  type TextName,
} from "./options.ts";

/** A `-t` with the `-p` and `--scope` that follow it, as typed. */
export interface TypedEntry {
  readonly technique: string;
  readonly params: readonly (readonly [key: string, value: string])[];
  readonly scope: readonly string[];
}

export interface Arguments {
  /** Positional arguments, the command's name among them as the first. */
  readonly positionals: readonly string[];
  readonly entries: readonly TypedEntry[];
  /** `-p` that come before any `-t`: parameters of what the command names otherwise. */
  readonly params: readonly (readonly [key: string, value: string])[];
  /** Options in the order given, for checking them against a command's. */
  readonly given: readonly OptionName[];
  /** Options that no command has, as typed. */
  readonly unknown: readonly string[];
  flag(name: FlagName): boolean;
  text(name: TextName): string | null;
  number(name: NumberName): number | null;
}

interface Token {
  readonly name: OptionName;
  readonly label: string;
  readonly value: string | undefined;
}

/**
 * @param argv without the interpreter and the script.
 * @throws LatheError (usage) for missing or superfluous values, numbers out of range.
 */
export function readArguments(argv: readonly string[]): Arguments {
  const positionals: string[] = [];
  const tokens: Token[] = [];
  const unknown: string[] = [];
  for (const token of tokenize(argv)) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    if (!isOptionName(token.name)) {
      unknown.push(token.rawName);
      continue;
    }
    tokens.push(checked(token.name, token.rawName, token.value, token.inlineValue === true));
  }
  const flags = new Set<string>();
  const texts = new Map<string, string>();
  const numbers = new Map<string, number>();
  const entryTokens: Token[] = [];
  for (const token of tokens) {
    const option = optionOf(token.name);
    const value = token.value ?? "";
    if (option.kind === "flag") flags.add(token.name);
    else if (option.kind === "text") texts.set(token.name, value);
    else if (option.kind === "number") numbers.set(token.name, Number(value));
    else entryTokens.push(token);
  }
  return {
    positionals,
    ...groupEntries(entryTokens),
    given: tokens.map((token) => token.name),
    unknown,
    flag: (name) => flags.has(name),
    text: (name) => texts.get(name) ?? null,
    number: (name) => numbers.get(name) ?? null,
  };
}

function tokenize(argv: readonly string[]): ReturnType<typeof parse>["tokens"] {
  return parse(argv).tokens;
}
const parse = (argv: readonly string[]) =>
  parseArgs({
    args: [...argv],
    // Not strict: its messages name no known option, and it would stop at the first.
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.keys(OPTIONS)
        .filter(isOptionName)
        .map((name) => {
          const option = optionOf(name);
          return [
            name,
            {
              type: option.kind === "flag" ? ("boolean" as const) : ("string" as const),
              ...(option.short === undefined ? {} : { short: option.short }),
            },
          ];
        }),
    ),
  });

function checked(
  name: OptionName,
  label: string,
  value: string | undefined,
  inline: boolean,
): Token {
  const option = optionOf(name);
  if (option.kind === "flag") {
    if (value !== undefined) throw usageErrors.optionTakesNoValue(label, value);
    return { name, label, value };
  }
  // `-o --force` would take "--force" as the file's name.
  if (value === undefined || (!inline && value.startsWith("-") && value.length > 1))
    throw usageErrors.optionNeedsValue(label, option.value);
  if (option.kind === "text" && option.of !== undefined && !option.of.includes(value))
    throw usageErrors.badOptionValue(label, value, `one of ${option.of.join(", ")}`);
  if (option.kind === "number") {
    const number = Number(value);
    if (
      value.trim() === "" ||
      !Number.isInteger(number) ||
      number < option.min ||
      number > option.max
    )
      throw usageErrors.badOptionValue(
        label,
        value,
        `a whole number from ${option.min} to ${option.max}`,
      );
  }
  return { name, label, value };
}

function groupEntries(tokens: readonly Token[]): Pick<Arguments, "entries" | "params"> {
  const loose: (readonly [string, string])[] = [];
  const entries: { technique: string; params: (readonly [string, string])[]; scope: string[] }[] =
    [];
  for (const { name, label, value = "" } of tokens) {
    if (name === "technique") {
      entries.push({ technique: value, params: [], scope: [] });
      continue;
    }
    const entry = entries.at(-1);
    if (name === "scope") {
      if (entry === undefined) throw usageErrors.withoutTechnique(label);
      entry.scope.push(value);
      continue;
    }
    const equals = value.indexOf("=");
    if (equals < 1) throw usageErrors.badPair(value);
    (entry?.params ?? loose).push([value.slice(0, equals), value.slice(equals + 1)]);
  }
  return { entries, params: loose };
}

/** @throws LatheError (usage) when an option is given that the command does not have. */
export function checkOptions(
  command: string,
  args: Arguments,
  accepted: readonly OptionName[],
): void {
  const known = accepted.map((name) => `--${name}`);
  const refused = args.given.find((name) => !accepted.includes(name));
  const first = args.unknown[0] ?? (refused === undefined ? undefined : optionLabel(refused));
  if (first !== undefined) throw usageErrors.unknownOption(command, first, known);
  // Only where analyzers are named may a parameter stand without a technique.
  if (args.params.length > 0 && !accepted.includes("with"))
    throw usageErrors.withoutTechnique("-p");
}
