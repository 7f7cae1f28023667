/** Medians of repeated runs, and the tables and sections of bench/RESULTS.md. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Measured } from "./process.ts";

export interface Median {
  readonly wallS: number;
  readonly cpuS: number;
  readonly peakBytes: number;
  readonly runs: number;
}

export function medianOf(runs: readonly Measured[]): Median {
  const of = (pick: (run: Measured) => number): number => median(runs.map(pick));
  return {
    wallS: of((run) => run.wallS),
    cpuS: of((run) => run.cpuS),
    peakBytes: of((run) => run.peakBytes),
    runs: runs.length,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
}

export interface Contender {
  readonly name: string;
  readonly run: () => Promise<Measured>;
  /** Of a slow peer, whose figure decides nothing: it takes part in so many rounds only. */
  readonly rounds?: number;
}
export type Results = ReadonlyMap<string, Median>;

/**
 * Before each run. On virtual machines freed memory goes back to the host after about two seconds, and
 * getting it again costs CPU time: right after a file was removed, copying 1.5 GB took 0.6 CPU
 * seconds instead of 1.6. The pause gives every contender the same start.
 */
const SETTLE_MS = 4000;

/** Runs each contender once per round, in turn, so that a busy spell of the machine hits all of them. */
export async function interleave(
  rounds: number,
  contenders: readonly Contender[],
  settleMs: number = SETTLE_MS,
): Promise<Results> {
  const runs = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const { name, run, rounds: own = rounds } of contenders) {
      if (round >= own) continue;
      await sleep(settleMs);
      const one = await run();
      runs.get(name)?.push(one);
      say(
        `  ${name}: ${seconds(one.wallS)}, ${seconds(one.cpuS)} CPU, ${megabytes(one.peakBytes)}`,
      );
    }
  return new Map([...runs].map(([name, measured]) => [name, medianOf(measured)]));
}

/** @throws Error when no contender has this name. */
export function resultOf(results: Results, name: string): Median {
  const found = results.get(name);
  if (found === undefined) throw new Error(`no contender is called ${name}`);
  return found;
}

/** Columns of `resultRows`. */
export const RESULT_HEAD = [
  "",
  "wall",
  "CPU",
  "peak memory",
  "our wall / theirs",
  "our CPU / theirs",
  "our peak / theirs",
] as const;

/** One row per contender; all but our own say how we compare. */
export function resultRows(results: Results, ourName: string): string[][] {
  const ours = resultOf(results, ourName);
  return [...results].map(([name, one]) => [
    name,
    seconds(one.wallS),
    seconds(one.cpuS),
    megabytes(one.peakBytes),
    ...(one === ours
      ? ["", "", ""]
      : [
          times(ours.wallS / one.wallS),
          times(ours.cpuS / one.cpuS),
          times(ours.peakBytes / one.peakBytes),
        ]),
  ]);
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
export const seconds = (s: number): string => `${s.toFixed(s < 10 ? 2 : 1)} s`;
export const times = (ratio: number): string => `${ratio.toFixed(ratio < 0.1 ? 3 : 2)}×`;
/** "≤ 0.3×: met", so that a missed bar cannot be overlooked. */
export const bar = (limit: string, met: boolean): string =>
  `${limit}: ${met ? "met" : "**missed**"}`;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** How busy the machine is: runnable processes of the last minute. Latencies are only as good as this is low. */
export const load = (): string => (os.loadavg()[0] ?? NaN).toFixed(1);

export const say = (text: string): void => {
  process.stdout.write(text + "\n");
};

const RESULTS = "bench/RESULTS.md";
const PREFACE = `# Measured results

Written by \`npm run bench\`; do not edit by hand. Each figure is a ratio within one run: both sides ran in turn on the
same machine. Times are medians; memory is the peak of the whole process tree.
`;

/** Prints a bench's section and puts it into bench/RESULTS.md in place of its last one. */
export function record(name: string, title: string, body: string): void {
  const section = `## ${title}\n\n${machine()}\n\n${body.trim()}\n`;
  say(`\n${section}`);
  const old = existsSync(RESULTS) ? readFileSync(RESULTS, "utf8") : "";
  const sections = new Map<string, string>();
  for (const [, key = "", text = ""] of old.matchAll(
    /<!-- bench (\w+) -->\n([\s\S]*?)(?=\n<!-- bench |$)/g,
  ))
    sections.set(key, text.trimEnd() + "\n");
  sections.set(name, section);
  const sorted = [...sections].sort(([a], [b]) => a.localeCompare(b));
  writeFileSync(
    RESULTS,
    [PREFACE, ...sorted.map(([key, text]) => `<!-- bench ${key} -->\n${text}`)].join("\n"),
  );
}

function machine(): string {
  const memoryGB = Math.round(os.totalmem() / 2 ** 30);
  const arch = process.arch === "x64" ? "x86-64" : process.arch;
  return `${os.cpus().length}-core ${arch}, ${memoryGB} GB, Node ${process.versions.node}, commit ${commit()}.`;
}

function commit(): string {
  try {
    const id = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
    const changed = execFileSync("git", ["status", "--porcelain", "--", "src"], {
      encoding: "utf8",
    }).trim();
    return changed === "" ? id : `${id} with changes`;
  } catch {
    return "unknown";
  }
}
