/** A Python with the peers in it. Reuses the machine's packages where it has them; else installs into a temporary environment. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { say } from "./summary.ts";

export interface Python {
  readonly program: string;
  /** "onnx 1.23.2, onnxruntime 1.32.0": what the figures are compared with. */
  readonly versions: string;
}

/** Null, after a line that says why, when there is no Python or its packages cannot be installed. */
export function findPython(modules: readonly string[]): Python | null {
  const folder = path.join(os.tmpdir(), "lathe-bench-python");
  const inFolder = path.join(folder, "bin", "python");
  for (const program of ["python3", ...(existsSync(inFolder) ? [inFolder] : [])]) {
    const versions = importAll(program, modules);
    if (versions !== null) return { program, versions };
  }
  try {
    say(`installing ${modules.join(", ")} for the comparison (temporary environment) …`);
    execFileSync("python3", ["-m", "venv", "--system-site-packages", folder], { stdio: "pipe" });
    execFileSync(inFolder, ["-m", "pip", "install", "--quiet", ...modules], { stdio: "pipe" });
  } catch (error) {
    say(
      `the Python peer could not be installed, so there is no comparison: ${(error as Error).message.slice(0, 300)}`,
    );
    return null;
  }
  const versions = importAll(inFolder, modules);
  if (versions === null)
    say("the Python peer does not import after installing, so there is no comparison");
  return versions === null ? null : { program: inFolder, versions };
}

function importAll(program: string, modules: readonly string[]): string | null {
  const code = `import importlib, sys\nprint(", ".join(m + " " + getattr(importlib.import_module(m), "__version__", "?") for m in sys.argv[1:]))`;
  try {
    return execFileSync(program, ["-c", code, ...modules], {
      encoding: "utf8",
      stdio: "pipe",
    }).trim();
  } catch {
    return null;
  }
}
