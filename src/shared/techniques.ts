/**
 * The table of known techniques with the state each has here. A row counts as done only when a
 * technique of the catalogue says that it covers the row and is of the kind the row asks for.
 */
import type { CatalogEntry } from "./protocol.ts";

/** What the table says can honestly be done for a row on a saved model. */
export type Coverage = "apply" | "train-lite" | "analyze" | "estimate" | "reference";

/** A row of `techniques.json`. */
export interface TechniqueRow {
  readonly id: string;
  readonly title: string;
  readonly family: string;
  readonly coverage: Coverage;
  /** What it is, in a few words. */
  readonly what: string;
  /** How it can be done on a saved model, or why it cannot. */
  readonly how: string;
}

export type TechniqueState = Coverage | "not-yet";

/** A row as `lathe list techniques` prints it. */
export interface TechniqueStatus {
  readonly id: string;
  /** The row's id in the techniques table; the same as `id`. */
  readonly row: string;
  readonly title: string;
  readonly family: string;
  readonly state: TechniqueState;
  /** Ids of the techniques that do it, separated by ", "; null for none. */
  readonly technique: string | null;
  /** Why there is no technique for it; null where there is one. */
  readonly why: string | null;
}

const MISSING: Readonly<Record<Exclude<Coverage, "reference">, string>> = {
  apply: "not built yet, would rewrite the model",
  "train-lite": "not built yet, needs gradients or a reconstruction loop",
  analyze: "not built yet, would be a report",
  estimate: "not built yet, would be a calculation",
};

type Covering = readonly Pick<CatalogEntry, "id" | "covers">[];

function byRow(plugins: Covering): ReadonlyMap<string, readonly string[]> {
  const covering = new Map<string, string[]>();
  for (const { id, covers } of plugins)
    for (const row of covers) covering.set(row, [...(covering.get(row) ?? []), id]);
  return covering;
}

/**
 * The state of every row, in the table's order. Transforms rewrite models, so they can only cover
 * `apply` rows; analyzers report, so they cover rows to `analyze` or `estimate`.
 */
export function techniqueStates(
  rows: readonly TechniqueRow[],
  transforms: Covering,
  analyzers: Covering,
): readonly TechniqueStatus[] {
  const rewriting = byRow(transforms);
  const reporting = byRow(analyzers);
  return rows.map((row) => {
    const by =
      row.coverage === "apply"
        ? rewriting
        : row.coverage === "analyze" || row.coverage === "estimate"
          ? reporting
          : null;
    const techniques = by?.get(row.id) ?? [];
    const named = { id: row.id, row: row.id, title: row.title, family: row.family };
    if (techniques.length > 0)
      return { ...named, state: row.coverage, technique: techniques.join(", "), why: null };
    if (row.coverage === "reference")
      return {
        ...named,
        state: "reference",
        technique: null,
        why: `documentation only: ${row.how}`,
      };
    const how = row.how === "" ? "" : `: ${row.how}`;
    return { ...named, state: "not-yet", technique: null, why: `${MISSING[row.coverage]}${how}` };
  });
}
