/**
 * Writes src/shared/techniques.json from the techniques table in Markdown. Run by hand when that
 * table changes: `node scripts/techniques.mjs TABLE.md`. Builds read only the committed JSON.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [source] = process.argv.slice(2);
if (source === undefined) {
  console.error("Usage: node scripts/techniques.mjs TABLE.md");
  process.exit(2);
}
const CLASSES = {
  APPLY: "apply",
  "TRAIN-LITE": "train-lite",
  ANALYZE: "analyze",
  ESTIMATE: "estimate",
  REFER: "reference",
};
const COLUMNS = 11;

/** At most `limit` characters, cut after a clause or a word. */
function short(text, limit) {
  if (text.length <= limit) return text;
  const cut = text.slice(0, limit);
  const clause = Math.max(cut.lastIndexOf(";"), cut.lastIndexOf(". "));
  return clause > limit / 2 ? cut.slice(0, clause) : `${cut.slice(0, cut.lastIndexOf(" "))} …`;
}

/** The table was collected from lists it calls seeds; a reader of ours knows no such thing. */
const plain = (text) =>
  text
    .replace(/\b(the )?seed remark\b/g, "remark")
    .replace(/\b(the seed|seed \d{3})\b/g, "the source list");

const rows = readFileSync(source, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.split("|").length === COLUMNS + 2)
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  .filter(([id]) => id !== "id" && !id.startsWith("---"))
  .map(([id, title, family, , what, covered]) => {
    const [, label, how] = /^([A-Z-]+)(?::\s*|\s+)?(.*)$/.exec(covered) ?? [];
    const coverage = CLASSES[label];
    if (coverage === undefined) throw new Error(`${id}: unknown coverage "${covered}"`);
    return {
      id,
      title: plain(title),
      family,
      coverage,
      what: short(plain(what), 120),
      how: short(plain(how), 120),
    };
  });
if (new Set(rows.map((row) => row.id)).size !== rows.length) throw new Error("duplicate row ids");
const target = path.resolve(import.meta.dirname, "../src/shared/techniques.json");
writeFileSync(target, `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`);
console.log(`${rows.length} rows`);
