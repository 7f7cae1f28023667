/** The generated catalogue of analyzers, with its type. */
import type { ParamValues } from "../src/shared/doc.ts";
import type { AnalyzerEntry } from "../src/shared/protocol.ts";
import catalog from "../src/shared/analyzers.json";

export const analyzers = catalog as unknown as readonly AnalyzerEntry[];

/** "Sensitivity, one layer at a time (candidate quantize.weightOnly bits=2)": tells runs apart. */
export function reportTitle(entry: AnalyzerEntry, params: ParamValues): string {
  const changed = Object.entries(params)
    .filter(([key, value]) => entry.params[key]?.default !== value)
    .map(([key, value]) => `${key} ${String(value)}`);
  return changed.length === 0 ? entry.title : `${entry.title} (${changed.join(", ")})`;
}
