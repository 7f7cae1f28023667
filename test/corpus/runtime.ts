/**
 * A model and its re-encoded forms in onnxruntime, in a process of its own: native code that crashes
 * takes only the model at hand with it.
 */
import { fork } from "node:child_process";
import path from "node:path";
import type { Way } from "./reencode.ts";

export interface Verdict {
  readonly name: string;
  /** What the runtime says against the original; null when it accepts it. */
  readonly refusal: string | null;
  /** The same of the written ones. */
  readonly written: readonly {
    readonly way: Way;
    readonly refusal: string | null;
    /** What the outputs differ in; null when they are the same, or were not compared. */
    readonly difference: string | null;
  }[];
  /** Why outputs were not compared; null when they were. */
  readonly notRun: string | null;
}
/** The child says what it is about to do, so that a crash has a place. */
export type Message = { readonly begins: string } | Verdict;

/** Longer than any takes, by far. */
const PATIENCE_MS = 60_000;

/** One verdict for each name, in order. */
export async function verdictsOf(names: readonly string[]): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  while (verdicts.size < names.length) {
    const left = names.filter((name) => !verdicts.has(name));
    const reason = await oneChild(left, verdicts);
    // The model at which the child ended; the next child goes on behind it.
    const at = names.find((name) => !verdicts.has(name));
    if (at !== undefined)
      verdicts.set(at, { name: at, refusal: reason, written: [], notRun: reason });
  }
  return verdicts;
}

function oneChild(names: readonly string[], verdicts: Map<string, Verdict>): Promise<string> {
  return new Promise((resolve, reject) => {
    const script = path.resolve("out/test/test/corpus/runtime.child.mjs");
    // Opsets newer than its release are tried as well, though the runtime promises nothing for them.
    const env = { ...process.env, ALLOW_RELEASED_ONNX_OPSET_ONLY: "0" };
    const child = fork(script, { stdio: ["ignore", "ignore", "ignore", "ipc"], env });
    let stage = "start";
    const patience = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    child.on("message", (message: Message) => {
      patience.refresh();
      if ("begins" in message) stage = message.begins;
      else verdicts.set(message.name, message);
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(patience);
      resolve(`the runtime ended with ${signal ?? code} at: ${stage}`);
    });
    child.send(names);
  });
}
