/** Opens mutants [from, to) of the first message; says what it does to each before it begins. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { random } from "../../src/shared/random.ts";
import { testEnvironment } from "../helpers/environment.ts";
import { mutate, type Mutant, type Seed } from "./mutate.ts";
import { allSeeds, ownSeeds, SIBLINGS } from "./seeds.ts";
import { openFully } from "./victim.ts";

export interface Order {
  readonly seeds: "own" | "all";
  readonly from: number;
  readonly to: number;
  /** Keeps the mutants' files in this folder. */
  readonly keep: string | null;
}
export type Report =
  | { readonly begins: number; readonly what: string }
  | { readonly at: number; readonly what: string; readonly problem: string }
  | { readonly outcome: "read" | "refused"; readonly peakMb: number }
  | { readonly done: true };

const MAX_CPU_MS = 2000;
const MAX_MB = 512;
const say = (report: Report): void => void process.send?.(report);

process.on("message", (order: Order) => {
  void work(order);
});

/** The same for a number on every machine that has the same seeds. */
function mutantOf(seeds: readonly Seed[], i: number): { seed: Seed; mutant: Mutant } {
  const rng = random(i);
  const seed = seeds[rng.int(seeds.length)];
  if (!seed) throw new Error("there are no seeds");
  const others = seeds.filter(({ format }) => format === seed.format);
  return { seed, mutant: mutate(rng, seed, others) };
}

async function work({ seeds: which, from, to, keep }: Order): Promise<void> {
  const folder = keep ?? mkdtempSync(path.join(tmpdir(), "lathe-fuzz-"));
  for (const { name, bytes } of SIBLINGS) writeFileSync(path.join(folder, name), bytes);
  const env = testEnvironment(folder);
  const seeds = which === "own" ? ownSeeds() : allSeeds();
  const peakMb = (): number => process.resourceUsage().maxRSS / 1024;
  for (let i = from; i < to; i++) {
    const { seed, mutant } = mutantOf(seeds, i);
    const what = `${seed.name}: ${mutant.kind}`;
    const file = path.join(folder, `${keep === null ? "mutant" : i}.${seed.format}`);
    writeFileSync(file, mutant.bytes);
    say({ begins: i, what });
    const memory = peakMb();
    const cpu = process.cpuUsage();
    const outcome = await openFully(env, file);
    const { user, system } = process.cpuUsage(cpu);
    const cpuMs = (user + system) / 1000;
    if (outcome instanceof Error) say({ at: i, what, problem: outcome.message });
    else say({ outcome, peakMb: Math.round(peakMb()) });
    if (cpuMs > MAX_CPU_MS) say({ at: i, what, problem: `${cpuMs.toFixed(0)} ms of CPU time` });
    if (peakMb() > MAX_MB && memory <= MAX_MB)
      say({ at: i, what, problem: `${peakMb().toFixed(0)} MB of memory` });
  }
  if (keep === null) rmSync(folder, { recursive: true, force: true });
  say({ done: true });
  process.disconnect();
}
