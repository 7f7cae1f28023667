/**
 * Finds tensors that are stored more than once: bit for bit the same, transposed, or one a multiple
 * of the other.
 *
 * Every tensor of the file counts: initializers, those held in nodes, those in branches. Equal and
 * transposed copies are compared byte by byte. For multiples the factor c that makes ‖A − c·B‖ least
 * is ⟨A, B⟩ / ⟨B, B⟩, and the rest is ‖A − c·B‖ / ‖A‖ = √(1 − cos²); up to `tolerance` they count as
 * the same. Which pairs are worth comparing follows from eight seeded projections of each tensor.
 * Tensors with NaN or infinite values are named and not compared as multiples.
 *
 * Charikar 2002, Similarity estimation techniques from rounding algorithms (STOC 2002).
 */
import { defineAnalyzer } from "../../core/analyzer.ts";
import { classesOf } from "../../core/duplicates.ts";
import { tensorTable, type TensorEntry } from "../../core/tensorTable.ts";
import { transposedPairs } from "../../core/transposed.ts";
import { number } from "../../shared/params.ts";
import type { Metric, ReportRow, Skip } from "../../shared/report.ts";
import { multipleOf, profileOf, similar, type Profile } from "./lib/multiples.ts";

const metrics: readonly Metric[] = [
  { id: "identical", title: "identical copy", unit: "bytes", better: "lower" },
  { id: "transposed", title: "transposed copy", unit: "bytes", better: "lower" },
  { id: "multiple", title: "multiple", unit: "bytes", better: "lower" },
  { id: "factor", title: "factor", unit: "ratio", better: "neither" },
  { id: "rest", title: "rest", unit: "ratio", better: "lower" },
];
/** Findings name no more pairs than people read. */
const NAMED = 5;

export default defineAnalyzer({
  meta: {
    id: "redundancy.duplicates",
    title: "Duplicate tensors",
    summary:
      "Finds tensors stored more than once: identical, transposed, or multiples of each other.",
    papers: ["Charikar 2002, STOC"],
    formats: ["onnx", "safetensors"],
    data: "none",
    cost: "seconds",
    covers: ["red-duplicates"],
    version: 1,
    api: 1,
    params: {
      least: number({
        title: "Smallest tensor",
        help: "Smaller tensors are not looked at; scalars and axes repeat in every file.",
        default: 64,
        min: 1,
        max: 2 ** 31,
        unit: "bytes",
        integer: true,
      }),
      tolerance: number({
        title: "Tolerance",
        help: "Largest rest, relative to the tensor, that still counts as a multiple.",
        default: 0.02,
        min: 0,
        max: 0.5,
      }),
    },
  },

  async run(model, { least, tolerance }, ctx) {
    const all = tensorTable(model).entries;
    const entries = all.filter(
      ({ tensor }) => tensor.sizeBytes >= least && tensor.dtype.kind !== "string",
    );
    const skipped: Skip[] = [];
    if (entries.length < all.length)
      skipped.push({
        name: "small tensors",
        reason: `${all.length - entries.length} tensors under ${least} bytes, or of text, are not looked at`,
      });
    const found: Copy[] = [];
    const copies = new Set<TensorEntry>();
    const groups = [...alike(entries).values()].filter((group) => group.length > 1);
    for (const [i, group] of groups.entries()) {
      const classes = await classesOf(group, ctx);
      const firsts = new Map<number, TensorEntry>();
      for (const entry of group) {
        const kind = classes.get(entry.tensor) ?? -1;
        const first = firsts.get(kind);
        if (!first) firsts.set(kind, entry);
        else if (first.tensor !== entry.tensor) {
          copies.add(entry);
          found.push({ entry, of: first, kind: "identical" });
        }
      }
      ctx.progress((0.4 * (i + 1)) / groups.length);
    }
    const distinct = entries.filter((entry) => !copies.has(entry));
    for (const [of, entry] of await transposedPairs(distinct, ctx)) {
      if (copies.has(entry)) continue;
      copies.add(entry);
      found.push({ entry, of, kind: "transposed" });
    }
    ctx.progress(0.6);
    const left = distinct.filter((entry) => !copies.has(entry));
    for (const group of alike(left).values()) {
      if (group.length < 2 || group[0]?.tensor.dtype.kind !== "float") continue;
      const profiles: (Profile & { readonly entry: TensorEntry })[] = [];
      for (const entry of group) {
        const profile = await profileOf(entry.tensor, ctx);
        if (profile === null)
          skipped.push({ name: label(entry), reason: "it holds NaN or infinite values" });
        else if (profile.norm > 0) profiles.push({ ...profile, entry });
      }
      for (const [i, a] of profiles.entries())
        for (const b of profiles.slice(0, i)) {
          if (copies.has(a.entry) || copies.has(b.entry) || !similar(a, b, tolerance)) continue;
          const { factor, rest } = await multipleOf(a.entry.tensor, b.entry.tensor, ctx);
          if (!(rest <= tolerance)) continue;
          copies.add(a.entry);
          found.push({ entry: a.entry, of: b.entry, kind: "multiple", factor, rest });
        }
    }
    return {
      analyzer: "redundancy.duplicates",
      findings: findings(found, model.format),
      metrics,
      rows: found.map(rowOf),
      series: [],
      skipped,
      data: null,
    };
  },
});

interface Copy {
  readonly entry: TensorEntry;
  readonly of: TensorEntry;
  readonly kind: "identical" | "transposed" | "multiple";
  readonly factor?: number;
  readonly rest?: number;
}

const label = ({ graph, name }: TensorEntry): string => [...graph.path, name].join("/");

function alike(entries: readonly TensorEntry[]): ReadonlyMap<string, readonly TensorEntry[]> {
  const groups = new Map<string, TensorEntry[]>();
  for (const entry of entries) {
    const key = `${entry.tensor.dtype.name} ${entry.tensor.shape.join()}`;
    const group = groups.get(key);
    if (group) group.push(entry);
    else groups.set(key, [entry]);
  }
  return groups;
}

function rowOf({ entry, kind, factor, rest }: Copy): ReportRow {
  const { sizeBytes } = entry.tensor;
  const bytes = (wanted: Copy["kind"]): number | null => (kind === wanted ? sizeBytes : null);
  return {
    target: label(entry),
    values: [
      bytes("identical"),
      bytes("transposed"),
      bytes("multiple"),
      factor ?? null,
      rest ?? null,
    ],
  };
}

function findings(found: readonly Copy[], format: "onnx" | "safetensors"): string[] {
  if (found.length === 0) return ["No tensor is stored twice."];
  const next: Readonly<Record<Copy["kind"], string>> = {
    identical:
      format === "onnx"
        ? "share.deduplicate stores them once."
        : "A safetensors file cannot share them; an ONNX file can.",
    transposed: "One of the two and a Transpose would do.",
    multiple: "One of the two and a scale would do.",
  };
  return (["identical", "transposed", "multiple"] as const).flatMap((kind) => {
    const copies = found
      .filter((copy) => copy.kind === kind)
      .sort((a, b) => b.entry.tensor.sizeBytes - a.entry.tensor.sizeBytes);
    if (copies.length === 0) return [];
    const bytes = copies.reduce((sum, { entry }) => sum + entry.tensor.sizeBytes, 0);
    const named = copies.slice(0, NAMED).map(({ entry, of }) => `${label(entry)} of ${label(of)}`);
    const more = copies.length > NAMED ? ` and ${copies.length - NAMED} more` : "";
    const one = copies.length === 1;
    const what = kind === "multiple" ? "multiple" : `${kind} ${one ? "copy" : "copie"}`;
    return [
      `${copies.length} ${what}${one ? "" : "s"}, ${bytes} bytes: ${named.join(", ")}${more}. ${next[kind]}`,
    ];
  });
}
