/** The engine's children of a server: found, held, ended. Reads /proc, as the server is on Linux. */
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const DEADLINE_MS = 20_000;

/** Process ids of the engine's children with this role (`ask` or `job`) under the process `root`. */
export function engineChildren(root, role) {
  const parents = new Map();
  const found = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (command.includes("engine.cjs") && command.includes(`"role":"${role}"`))
        found.push(Number(name));
    } catch {
      // It ended while we looked.
    }
  }
  const isBelow = (pid) =>
    pid !== undefined && pid > 1 && (pid === root || isBelow(parents.get(pid)));
  return found.filter(isBelow);
}

/** The next child with this role, as soon as it is there. */
export async function nextChild(root, role) {
  const before = new Set(engineChildren(root, role));
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const [pid] = engineChildren(root, role).filter((child) => !before.has(child));
    if (pid !== undefined) return pid;
    if (Date.now() > deadline) throw new Error(`no ${role} child was started`);
    await sleep(2);
  }
}

/** Stops the next job's child dead, so that the job is in its middle for as long as the test needs. */
export async function holdNextJob(root) {
  const pid = await nextChild(root, "job");
  process.kill(pid, "SIGSTOP");
  return pid;
}

/** Stops the next job's child dead once it has begun to write beside its target. */
export async function holdNextSave(root, folder) {
  const pid = await nextChild(root, "job");
  const deadline = Date.now() + DEADLINE_MS;
  while (!readdirSync(folder).some((name) => name.startsWith(".lathe-"))) {
    if (Date.now() > deadline) throw new Error("no save wrote anything");
    await sleep(1);
  }
  process.kill(pid, "SIGSTOP");
  return pid;
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function until(what, condition, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen in ${timeoutMs / 1000} s`);
    await sleep(50);
  }
}
