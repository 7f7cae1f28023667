/** The job `explain`: which layers cause what a changed model loses. */
import { usageErrors } from "../../shared/errors.ts";
import type { Answer, Jobs, Params } from "../../shared/protocol.ts";
import type { JobTools } from "../jobs.ts";

export function explain(
  _tools: JobTools,
  { after }: Params<Jobs, "explain">,
): Promise<Answer<Jobs, "explain">> {
  return Promise.reject(
    usageErrors.usage(`${after.base.path} cannot be explained yet.`, "Compare it with lathe diff."),
  );
}
