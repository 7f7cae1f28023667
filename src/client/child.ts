/** One engine child as a Port: forked, with its death as a close and its stderr as text. */
import { fork, type ChildProcess } from "node:child_process";
import type { Port } from "../shared/wire.ts";

export interface Child {
  readonly port: Port;
  readonly pid: number;
  /** Ends it at once; whatever it was asked fails with `gone`. */
  kill(): void;
}

export interface ChildOptions {
  readonly enginePath: string;
  /** Passed as JSON: `ChildConfig` of engine/main.ts. */
  readonly config: object;
  readonly onStderr: (text: string) => void;
}

export function forkChild({ enginePath, config, onStderr }: ChildOptions): Child {
  const process_: ChildProcess = fork(enginePath, [JSON.stringify(config)], {
    // Short-lived garbage is collected after 2 MB, not 16: quantizing a model of 1.5 GB peaks 35 MB
    // lower, in the same time.
    execArgv: ["--max-semi-space-size=2"],
    // In desktop VS Code the executable is Electron; the first makes it behave as Node. The engine opens
    // no connections, and reading certificates for them can take 50 ms.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: "1", NODE_EXTRA_CA_CERTS: "" },
    // Structured clone keeps NaN, Infinity and typed arrays, which JSON would not.
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let lastWords = "";
  const hear = (chunk: Buffer): void => {
    const text = chunk.toString();
    lastWords = (lastWords + text).slice(-500);
    onStderr(text);
  };
  process_.stdout?.on("data", hear);
  process_.stderr?.on("data", hear);
  const closeListeners: ((reason: string) => void)[] = [];
  let closed: string | null = null;
  const close = (reason: string): void => {
    if (closed !== null) return;
    closed = reason;
    for (const listener of closeListeners) listener(reason);
  };
  process_.on("error", (error) => close(error.message));
  process_.on("exit", (code, signal) => {
    const how = signal === null ? `exit code ${code ?? "unknown"}` : signal;
    const said = lastWords.trim().split("\n").at(-1) ?? "";
    close(said === "" ? how : `${how}: ${said}`);
  });
  return {
    pid: process_.pid ?? -1,
    kill: () => void process_.kill("SIGKILL"),
    port: {
      post: (frame) => {
        // Sending to a child that is just ending fails; its `exit` rejects the call.
        if (process_.connected) process_.send(frame as object, () => {});
      },
      onMessage: (listener) => process_.on("message", listener),
      onClose: (listener) => {
        if (closed !== null) listener(closed);
        else closeListeners.push(listener);
      },
    },
  };
}
