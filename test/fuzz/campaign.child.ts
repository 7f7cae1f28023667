/** Mutants opened in processes that may end or hang: whatever happens, the next mutant has its turn. */
import { fork } from "node:child_process";
import path from "node:path";
import type { Order, Report } from "./fuzz.child.ts";

export interface Outcome {
  readonly read: number;
  readonly refused: number;
  readonly peakMb: number;
  readonly problems: readonly {
    readonly at: number;
    readonly what: string;
    readonly problem: string;
  }[];
}

/** Ten times the limit of CPU time, because others may be using the machine. */
const PATIENCE_MS = 20_000;
/** A process ends after so many, so that what one leaves behind is not blamed on another. */
const PER_CHILD = 5000;

export async function campaign(
  order: Order,
  onProgress?: (done: number) => void,
): Promise<Outcome> {
  const total = { read: 0, refused: 0, peakMb: 0, problems: [] as Outcome["problems"][number][] };
  for (let from = order.from; from < order.to;) {
    const to = Math.min(order.to, from + PER_CHILD);
    const { next, ended } = await oneChild({ ...order, from, to }, total);
    if (ended !== null) total.problems.push(ended);
    from = next;
    onProgress?.(from - order.from);
  }
  return total;
}

interface Ended {
  readonly next: number;
  readonly ended: Outcome["problems"][number] | null;
}
function oneChild(
  order: Order,
  total: { read: number; refused: number; peakMb: number; problems: Outcome["problems"][number][] },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = fork(path.resolve("out/test/test/fuzz/fuzz.child.mjs"), {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Far below the limit, so that what is no longer needed does not count.
      execArgv: ["--max-old-space-size=256"],
    });
    let last = { at: order.from, what: "before the first" };
    let done = false;
    let stderr = "";
    child.stderr?.on("data", (text) => (stderr = (stderr + String(text)).slice(-2000)));
    const patience = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    child.on("message", (report: Report) => {
      patience.refresh();
      if ("begins" in report) last = { at: report.begins, what: report.what };
      else if ("problem" in report) total.problems.push(report);
      else if ("outcome" in report) {
        total[report.outcome]++;
        total.peakMb = Math.max(total.peakMb, report.peakMb);
      } else done = true;
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(patience);
      const problem = `the process ended with ${signal ?? code} ${stderr}`;
      resolve({
        next: done ? order.to : last.at + 1,
        ended: done ? null : { ...last, problem },
      });
    });
    child.send(order);
  });
}
