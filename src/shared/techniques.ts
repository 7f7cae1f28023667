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

/** Commands that answer a row by themselves, without a technique or analyzer of their own. */
const COMMANDS: readonly Covering[] = [
  { id: "lathe diff", covers: ["diff-report", "sens-cosine"] },
  { id: "lathe explain", covers: ["sens-qdq-loss-debug"] },
  { id: "lathe optimize", covers: ["recommend-pareto"] },
];

type Covering = Pick<CatalogEntry, "id" | "covers">;

/**
 * The state of every row, in the table's order. A transform rewrites models, so it covers `apply` and
 * `train-lite` rows; an analyzer or command reports, so it covers `analyze` and `estimate` rows.
 */
export function techniqueStates(
  rows: readonly TechniqueRow[],
  transforms: readonly Covering[],
  analyzers: readonly Covering[],
): readonly TechniqueStatus[] {
  const rewriting = coveringOf(transforms);
  const reporting = coveringOf([...analyzers, ...COMMANDS]);
  return rows.map((row) => {
    const covering =
      row.coverage === "apply" || row.coverage === "train-lite" ? rewriting : reporting;
    const techniques = row.coverage === "reference" ? [] : (covering.get(row.id) ?? []);
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

function coveringOf(entries: readonly Covering[]): ReadonlyMap<string, readonly string[]> {
  const covering = new Map<string, string[]>();
  for (const { id, covers } of entries)
    for (const row of covers) covering.set(row, [...(covering.get(row) ?? []), id]);
  return covering;
}
