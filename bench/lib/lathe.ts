/** Our own command line as a contender. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { lastJson, measure } from "./process.ts";
import type { Measured } from "./process.ts";

const CLI = process.env["LATHE_CLI"] ?? "dist/cli.js";

/**
 * Runs the command line of this checkout with an empty cache, so that no run profits from the one
 * before. @throws Error when it was not built or fails.
 */
export async function lathe(...args: readonly string[]): Promise<Measured> {
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run npm run build`);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "lathe-bench-scratch-"));
  try {
    return await measure({
      program: process.execPath,
      args: [CLI, ...args, "--quiet"],
      // Certificates of the machine's own, which Node reads at every start (54 ms where there are 150), are none
      // of ours.
      env: { LATHE_SCRATCH: scratch, NODE_EXTRA_CA_CERTS: "" },
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs it with `--json` and picks a number out of the answer. @throws Error when it is not there. */
export async function latheNumber(key: string, ...args: readonly string[]): Promise<number> {
  const answer = lastJson(await lathe(...args, "--json"));
  const value = (answer as Readonly<Record<string, unknown>>)[key];
  if (typeof value !== "number") throw new Error(`lathe ${args.join(" ")} gave no number "${key}"`);
  return value;
}

export const BLOCK = 32;
/** The parameters every comparison with onnxruntime's 4-bit round-to-nearest uses. */
export const INT4 = ["-t", "quantize.weightOnly", "-p", "bits=4", "-p", `block=${BLOCK}`] as const;
export const INT8 = ["-t", "quantize.weightOnly", "-p", "bits=8", "-p", `block=${BLOCK}`] as const;
