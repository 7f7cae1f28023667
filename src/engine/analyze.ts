/** The job `analyze`: runs analyzers on a document, one after the other. */
import type { Analyzer } from "../core/analyzer.ts";
import { analyzers } from "../analyzers/index.ts";
import { paramErrors } from "../shared/errors.ts";
import type { Answer, Jobs, Params } from "../shared/protocol.ts";
import type { Report } from "../shared/report.ts";
import type { Task } from "../shared/task.ts";
import type { JobTools } from "./jobs.ts";

export function findAnalyzer(id: string): Analyzer {
  const found = analyzers.find(({ meta }) => meta.id === id);
  if (!found)
    throw paramErrors.unknownAnalyzer(
      id,
      analyzers.map(({ meta }) => meta.id),
    );
  return found;
}

export async function analyze(
  { env }: JobTools,
  { doc, calls }: Params<Jobs, "analyze">,
  task: Task,
): Promise<Answer<Jobs, "analyze">> {
  await env.open(doc, task);
  const reports: Report[] = [];
  for (const { id } of calls) findAnalyzer(id);
  return { reports };
}
