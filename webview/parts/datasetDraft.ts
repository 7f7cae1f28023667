/** What was typed into the data form, as the text of a dataset.json. */
import { strings } from "../strings.ts";

/** One input's fields as typed; empty ones are left out of the file. */
export interface InputDraft {
  readonly kind?: string;
  readonly path?: string;
  readonly calibration?: string;
  readonly channels?: string;
  readonly layout?: string;
  readonly scale?: string;
  readonly mean?: string;
  readonly std?: string;
  readonly reshape?: string;
}

/** Null `json` when a field is wrong; `problems` by "input.field". */
export function datasetJson(
  task: string,
  labels: string,
  inputs: readonly string[],
  drafts: ReadonlyMap<string, InputDraft>,
): { readonly json: string | null; readonly problems: ReadonlyMap<string, string> } {
  const problems = new Map<string, string>();
  const evaluation: Record<string, object> = {};
  const calibration: Record<string, object> = {};
  for (const name of inputs) {
    const draft = drafts.get(name) ?? {};
    const key = draft.kind === "folder" ? "folder" : "file";
    const steps = stepsOf(name, draft, problems);
    if (filled(draft.path)) evaluation[name] = { [key]: draft.path, ...steps };
    else problems.set(`${name}.path`, strings.data.missing);
    if (filled(draft.calibration)) calibration[name] = { [key]: draft.calibration, ...steps };
  }
  if (problems.size > 0) return { json: null, problems };
  return {
    json: JSON.stringify({
      task,
      inputs: evaluation,
      ...(task === "classification" && labels !== "" ? { labels } : {}),
      ...(Object.keys(calibration).length > 0 ? { calibration: { inputs: calibration } } : {}),
    }),
    problems,
  };
}

const filled = (value: string | undefined): boolean => value !== undefined && value.trim() !== "";

function stepsOf(name: string, draft: InputDraft, problems: Map<string, string>): object {
  const out: Record<string, unknown> = {};
  if (filled(draft.channels)) out["channels"] = draft.channels;
  if (filled(draft.layout)) out["layout"] = draft.layout;
  if (filled(draft.scale)) {
    const scale = Number(draft.scale);
    if (Number.isFinite(scale)) out["scale"] = scale;
    else problems.set(`${name}.scale`, strings.data.wrongNumber);
  }
  for (const key of ["mean", "std", "reshape"] as const) {
    const typed = draft[key];
    if (typed === undefined || typed.trim() === "") continue;
    const list = typed.split(",").map((part) => Number(part.trim() === "" ? NaN : part));
    if (list.every(Number.isFinite)) out[key] = list;
    else problems.set(`${name}.${key}`, strings.data.wrongList);
  }
  return out;
}
