/** Operators that really run when onnxruntime executes a model with its default optimizations. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createSession } from "../../src/engine/ort.ts";
import { runnableSizes, syntheticFeeds } from "../../src/engine/synthetic.ts";

/** Names from the runtime's own trace of one run on seeded inputs, sorted, each as often as it ran. */
export async function kernelsOf(model: string | Uint8Array): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-trace-"));
  try {
    const probe = await createSession(model, { threads: 1, optimization: "all" });
    const sizes = await runnableSizes(probe, 0);
    await probe.release();
    const profile = path.join(folder, "trace");
    const session = await createSession(model, { threads: 1, optimization: "all", profile });
    await session.run(syntheticFeeds(session.inputs, 0, sizes));
    await session.release();
    const text = readFileSync(path.join(folder, readdirSync(folder)[0] ?? ""), "utf8");
    const trace = JSON.parse(text) as { name?: string; args?: { op_name?: string } }[];
    return trace
      .flatMap(({ name, args }) =>
        name?.endsWith("_kernel_time") === true ? (args?.op_name ?? []) : [],
      )
      .sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
