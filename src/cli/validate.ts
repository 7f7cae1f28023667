/** `lathe validate`: what the ONNX specification finds wrong with models, where, and what would be right. */
import { toFailure } from "../shared/errors.ts";
import { formatCount, plural } from "../shared/format.ts";
import type { FindingView, Validation } from "../shared/protocol.ts";
import { callOptions, type Command, type Context } from "./command.ts";
import type { Style } from "./style.ts";
import { lines } from "./text.ts";

/** Findings shown of one code before "… and N more"; `--json` has them all. */
const MAX_SHOWN = 3;

interface Validated extends Validation {
  readonly model: string;
}

export const validate: Command = {
  name: "validate",
  summary: "Check models against the ONNX specification: findings with place and fix.",
  usage: "MODEL…",
  positionals: [1, Number.POSITIVE_INFINITY],
  options: [],
  details: [
    "Finds what the ONNX checker finds, full check included, and a few things that are legal but suspicious (warnings). Reads the structure only, but for external data of which the model states a checksum: its SHA-1 is compared. Exit code 1 when a model has errors, or types that contradict each other.",
  ],
  examples: [
    { line: "lathe validate model.onnx", what: "one model" },
    { line: "lathe validate *.onnx --json", what: "many, for scripts" },
  ],
  async run(models, _args, context) {
    const results: Validated[] = [];
    for (const model of models) results.push(await validateOne(model, context));
    const valid = results.every((result) => result.valid);
    return {
      json: { valid, models: results },
      text: (style) => lines(results.map((result) => resultLines(result, style))),
      exitCode: valid ? 0 : 1,
    };
  },
};

async function validateOne(model: string, context: Context): Promise<Validated> {
  try {
    const doc = await context.client.open(model);
    return {
      model,
      ...(await context.client.ask("validate", { doc, checksums: true }, callOptions(context))),
    };
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code !== "format") throw error;
    // What cannot be read as a model is the finding; the reader stops at the first such place.
    const finding: FindingView = {
      code: "unreadable",
      severity: "error",
      graph: "[]",
      inFunction: null,
      inTraining: null,
      node: null,
      label: null,
      op: null,
      value: null,
      message: failure.message,
      fix: failure.hint ?? "",
    };
    const counts = { error: 1, type: 0, warning: 0 };
    return { model, valid: false, counts, findings: [finding], leftOut: 0 };
  }
}

function resultLines(result: Validated, style: Style): readonly string[] {
  const { model, valid, counts, findings, leftOut } = result;
  const parts = [
    ...(counts.error > 0 ? [plural(counts.error, "error")] : []),
    ...(counts.type > 0 ? [plural(counts.type, "type error")] : []),
    ...(counts.warning > 0 ? [plural(counts.warning, "warning")] : []),
  ];
  const verdict = valid ? style.good("valid") : style.bad("not valid");
  const codes = new Set(findings.map(({ code }) => code));
  return [
    `${style.bold(model)}: ${verdict}${parts.length === 0 ? "" : `, ${parts.join(", ")}`}`,
    ...[...codes].flatMap((code) => {
      const all = findings.filter((finding) => finding.code === code);
      const more = all.length - MAX_SHOWN;
      return [
        ...all.slice(0, MAX_SHOWN).flatMap((finding) => findingLines(finding, style)),
        ...(more > 0
          ? [style.dim(`    … and ${more} more ${code}${leftOut > 0 ? "" : " (--json lists all)"}`)]
          : []),
      ];
    }),
    ...(leftOut > 0
      ? [
          style.dim(
            `  … and ${formatCount(leftOut)} more findings, which are left out: mend these first`,
          ),
        ]
      : []),
  ];
}

function findingLines(finding: FindingView, style: Style): readonly string[] {
  const { severity, code, message, fix } = finding;
  const title = `${severity === "type" ? "type error" : severity} ${code}`;
  const place = placeText(finding);
  return [
    `  ${severity === "warning" ? style.warn(title) : style.bad(title)}${place === "" ? "" : `  ${place}`}`,
    `    ${message}`,
    ...(fix === "" ? [] : [style.dim(`    ${fix}`)]),
  ];
}

function placeText({ inFunction, inTraining, label, op, value, graph }: FindingView): string {
  const path = JSON.parse(graph) as readonly string[];
  const inside = [
    inFunction === null ? "" : ` in function ${inFunction}`,
    inTraining === null ? "" : ` in training ${inTraining}`,
  ].join("");
  if (label !== null) return `${op ?? ""} "${label}"${inside}`.trim();
  if (value === null) return inside.trim();
  return `"${value}"${path.length === 0 ? "" : ` in ${path.join("/")}`}${inside}`;
}
