/** The job `optimize`: searches for a recipe that meets a goal, measures it, and writes it. */
import { usageErrors } from "../../shared/errors.ts";
import type { Answer, Jobs, Params } from "../../shared/protocol.ts";
import type { JobTools } from "../jobs.ts";

export function optimize(
  _tools: JobTools,
  { doc }: Params<Jobs, "optimize">,
): Promise<Answer<Jobs, "optimize">> {
  return Promise.reject(
    usageErrors.usage(`${doc.base.path} cannot be optimized yet.`, "Apply a technique by hand."),
  );
}
