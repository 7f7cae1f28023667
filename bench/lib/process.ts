/** Runs a command and measures its whole process tree: wall time, CPU time, peak memory. Linux only (/proc). */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";

export interface Measured {
  readonly wallS: number;
  /**
   * User and system time of the whole tree: of all processes that were waited for, or, where that is
   * more (a child outlived its parent), the sum of what each process had used when last sampled.
   */
  readonly cpuS: number;
  /**
   * Largest sum of the tree's resident sets, sampled every 10 ms; never below the largest high-water
   * mark of one process. Pages shared by several of our processes count once for each of them.
   */
  readonly peakBytes: number;
  readonly stdout: string;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const POLL_MS = 10;
/** Linux reports process times in hundredths of a second on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** @throws Error with the end of stderr when the command fails or the machine has no /proc. */
export async function measure(command: Command): Promise<Measured> {
  if (!existsSync("/proc/self/stat"))
    throw new Error("the benches read /proc, which only Linux has");
  const cpuBefore = waitedForCpuS();
  const start = process.hrtime.bigint();
  const child = spawn(command.program, command.args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...command.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let peakBytes = 0;
  const cpuTicks = new Map<number, number>();
  const poll = setInterval(() => {
    if (child.pid !== undefined) peakBytes = Math.max(peakBytes, sampleTree(child.pid, cpuTicks));
  }, POLL_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => {
    clearInterval(poll);
  });
  const wallS = Number(process.hrtime.bigint() - start) / 1e9;
  if (code !== 0)
    throw new Error(
      `${command.program} ${command.args.join(" ")} ended with ${String(code)}: ${(stderr || stdout).slice(-2000)}`,
    );
  const sampledCpuS = [...cpuTicks.values()].reduce((a, b) => a + b, 0) / TICKS_PER_SECOND;
  const cpuS = Math.max(waitedForCpuS() - cpuBefore, sampledCpuS);
  return { wallS, cpuS, peakBytes, stdout };
}

/** CPU seconds of all ended children of this process, and of theirs. So only one may run at a time. */
function waitedForCpuS(): number {
  const fields = statFields("self");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The fields of /proc/PID/stat from the third on: the second, a name in parentheses, may hold blanks. */
function statFields(pid: number | "self"): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Resident bytes of the tree now; notes each process's own CPU time in `cpuTicks`. */
function sampleTree(root: number, cpuTicks: Map<number, number>): number {
  let sum = 0;
  let largestMark = 0;
  const pending = [root];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop())
    try {
      const fields = statFields(pid);
      cpuTicks.set(pid, Number(fields[11]) + Number(fields[12]));
      sum += Number(fields[21]) * PAGE_BYTES;
      const mark = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      largestMark = Math.max(largestMark, Number(mark?.[1] ?? 0) * 1024);
      for (const thread of readdirSync(`/proc/${pid}/task`))
        for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" "))
          if (child !== "") pending.push(Number(child));
    } catch {
      // The process ended between two reads.
    }
  return Math.max(sum, largestMark);
}

/** The last line of a command's output, parsed: what `--json` and the peer scripts print. */
export const lastJson = (measured: Measured): unknown =>
  JSON.parse(measured.stdout.trim().split("\n").at(-1) ?? "null");
