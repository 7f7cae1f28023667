/** `lathe list`: what Lathe can do, and the state of every technique it knows of. */
import { usageErrors } from "../shared/errors.ts";
import { plural } from "../shared/format.ts";
import type { ParamSchema } from "../shared/params.ts";
import { presetsFor, TARGETS } from "../shared/presets.ts";
import type { AnalyzerEntry, CatalogEntry } from "../shared/protocol.ts";
import {
  techniqueStates,
  type TechniqueRow,
  type TechniqueState,
  type TechniqueStatus,
} from "../shared/techniques.ts";
import rows from "../shared/techniques.json";
import type { Command, Context, Outcome } from "./command.ts";
import type { Style } from "./style.ts";
import { paramRange } from "./paramRange.ts";
import { left, lines, table } from "./text.ts";

const KINDS = ["transforms", "presets", "analyzers", "techniques"] as const;
type Kind = (typeof KINDS)[number];
const isKind = (text: string): text is Kind => (KINDS as readonly string[]).includes(text);

export const list: Command = {
  name: "list",
  summary: "Show the catalogue: techniques with their parameters, and what is not built yet.",
  usage: "[transforms|presets|analyzers|techniques]",
  positionals: [0, 1],
  options: [],
  details: [
    "transforms: what can be applied, with parameters. presets: ready recipes by runtime. analyzers: what can be measured. techniques: every technique of the literature that Lathe knows of, with its true state here.",
  ],
  examples: [
    { line: "lathe list", what: "the transforms" },
    { line: "lathe list techniques --json", what: "all known techniques, for scripts" },
  ],
  run([kind], _args, context) {
    if (kind !== undefined && !isKind(kind))
      throw usageErrors.badOptionValue(
        "The argument of `lathe list`",
        kind,
        `one of ${KINDS.join(", ")}`,
      );
    return Promise.resolve(answer(kind ?? null, context));
  },
};

function answer(
  kind: Kind | null,
  { catalog, analyzers }: Pick<Context, "catalog" | "analyzers">,
): Outcome {
  const techniques = techniqueStates(rows as readonly TechniqueRow[], catalog, analyzers);
  const presets = TARGETS.map((target) => ({ ...target, presets: presetsFor(target.id) }));
  const parts = { transforms: catalog, presets, analyzers, techniques };
  const text = (style: Style): string => {
    switch (kind) {
      case "analyzers":
        return lines([analyzerLines(analyzers, style)]);
      case "presets":
        return lines([presetLines(style)]);
      case "techniques":
        return lines([techniqueLines(techniques, style)]);
      case "transforms":
      case null:
        return lines([transformLines(catalog, style)]);
    }
  };
  return { json: kind === null ? parts : parts[kind], text, exitCode: 0 };
}

function transformLines(catalog: readonly CatalogEntry[], style: Style): readonly string[] {
  return catalog.flatMap((entry, i) => [
    ...(i === 0 ? [] : [""]),
    `${style.bold(entry.id)}  ${entry.title}`,
    `  ${entry.summary}`,
    ...paramTable(entry.params, style),
    ...[...entry.warnings, ...(entry.withoutData === undefined ? [] : [entry.withoutData])].map(
      (warning) => style.warn(`  note: ${warning}`),
    ),
  ]);
}

const presetLines = (style: Style): readonly string[] =>
  TARGETS.flatMap(({ id, title, note }, i) => [
    ...(i === 0 ? [] : [""]),
    `${style.bold(id)}  ${title}`,
    style.dim(`  ${note}`),
    ...table(
      [left("preset"), left("what"), left("techniques")],
      presetsFor(id).map((preset) => [
        preset.id,
        `${preset.title}: ${preset.detail}`,
        preset.entries.map(({ transform }) => transform).join(", "),
      ]),
      style,
    ).map((line) => `  ${line}`),
  ]);

function analyzerLines(analyzers: readonly AnalyzerEntry[], style: Style): readonly string[] {
  return analyzers.flatMap((entry, i) => [
    ...(i === 0 ? [] : [""]),
    `${style.bold(entry.id)}  ${entry.title}`,
    `  ${entry.summary}`,
    style.dim(`  data: ${entry.data}; takes ${entry.cost}`),
    ...paramTable(entry.params, style),
  ]);
}

const paramTable = (params: ParamSchema, style: Style): readonly string[] =>
  table(
    [left("parameter"), left("default"), left("accepts"), left("meaning")],
    Object.entries(params).map(([key, param]) => [
      key,
      String(param.default),
      paramRange(param),
      param.help,
    ]),
    style,
  );

function techniqueLines(techniques: readonly TechniqueStatus[], style: Style): readonly string[] {
  const counts = new Map<TechniqueState, number>();
  for (const { state } of techniques) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [
    `${plural(techniques.length, "technique")}: ${[...counts].map(([state, n]) => `${n} ${state}`).join(", ")}.`,
    ...table(
      [left("id"), left("state"), left("title"), left("done by, or why not")],
      techniques.map((row) => [row.id, row.state, row.title, row.technique ?? row.why ?? ""]),
      style,
      Number.POSITIVE_INFINITY,
    ),
  ];
}
