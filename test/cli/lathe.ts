/** Runs the built command line as a child process, as people and scripts do. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";

export const CLI = path.resolve(process.env["LATHE_CLI"] ?? "dist/cli.js");

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly done: Promise<Run>;
}

export interface Workplace {
  readonly folder: string;
  /** Files with their sizes, sorted: what is there. */
  listing(): readonly string[];
  write(files: Readonly<Record<string, Uint8Array | string>>): void;
  lathe(...args: string[]): Promise<Run>;
  start(...args: string[]): Started;
  /** As another user, whom `share` has let in. */
  startAs(user: number | null, ...args: string[]): Started;
  share(user: number): void;
}

/** An empty folder and a scratch folder of its own; both go when the tests of the file end. */
export function workplace(): Workplace {
  const root = mkdtempSync(path.join(tmpdir(), "lathe-cli-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const folder = path.join(root, "work");
  mkdirSync(folder);
  const scratch = path.join(root, "scratch");
  mkdirSync(scratch);
  const startAs: Workplace["startAs"] = (user, ...args) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder,
      env: { ...process.env, LATHE_SCRATCH: scratch, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      ...(user === null ? {} : { uid: user }),
    });
    const done = new Promise<Run>((resolve, reject) => {
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, done };
  };
  return {
    folder,
    listing: () =>
      readdirSync(folder, { recursive: true })
        .map((name) => `${String(name)} ${statSync(path.join(folder, String(name))).size}`)
        .sort(),
    write: (files) => {
      for (const [name, content] of Object.entries(files)) {
        const file = path.join(folder, name);
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, content);
      }
    },
    startAs,
    start: (...args) => startAs(null, ...args),
    lathe: (...args) => startAs(null, ...args).done,
    share: (user) => {
      chmodSync(root, 0o755);
      for (const name of ["", ...readdirSync(scratch, { recursive: true }).map(String)])
        chownSync(path.join(scratch, name), user, -1);
    },
  };
}
