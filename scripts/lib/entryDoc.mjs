/** A section of the generated documentation: a technique or an analyzer, from its metadata and its file's head. */
import { existsSync, readFileSync } from "node:fs";

const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("<", "&lt;");
export const line = (cells) => `| ${cells.map(cell).join(" | ")} |`;
export const header = (titles) => [line(titles), line(titles.map(() => "---"))];

/**
 * @param folder of `src/` that the entry's file is in
 * @param facts rows of its table, [title, text]; those without a text are left out
 * @param command an example for the terminal
 */
export function section(entry, { folder, facts, command, paramRange }) {
  const params = Object.entries(entry.params);
  const warnings = [...(entry.warnings ?? []), ...(entry.withoutData ? [entry.withoutData] : [])];
  return [
    `## ${entry.id}`,
    "",
    `**${entry.title}.**`,
    "",
    // Its first sentence is the summary.
    ...(headOf(`src/${folder}/${entry.id.replace(".", "/")}.ts`) ?? [entry.summary, ""]),
    ...warnings.map((warning) => `- Note: ${warning}`),
    ...(warnings.length > 0 ? [""] : []),
    ...header(["", ""]),
    ...[...facts, ["papers", entry.papers.join("; ")]].filter(([, text]) => text !== "").map(line),
    "",
    ...(params.length === 0
      ? ["It has no parameters.", ""]
      : [
          ...header(["parameter", "default", "accepts", "meaning"]),
          ...params.map(([key, param]) =>
            line([`\`${key}\``, String(param.default), paramRange(param), param.help]),
          ),
          "",
        ]),
    "```sh",
    command,
    "```",
    "",
  ];
}

/** The comment at the head of a file: what it does, when, what it refuses. */
function headOf(file) {
  if (!existsSync(file)) return null;
  const [, comment] = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, "utf8")) ?? [];
  if (comment === undefined) return null;
  const lines = comment.split("\n").map((text) => text.replace(/^\s*\* ?/, "").trimEnd());
  return [...lines.join("\n").trim().split("\n"), ""];
}
