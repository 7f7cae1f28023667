/**
 * Brings what the workbench needs: a real VS Code (carried by code-server), the Node it runs on, the
 * browser's driver, and Chromium itself. Does nothing when all of it is there.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const here = import.meta.dirname;
const vscode = path.join(here, "node_modules/code-server/lib/vscode");

const npm = (folder, args) =>
  execFileSync(
    "npm",
    [...args, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: folder,
      // npm's progress and its engine warnings are not the test's output.
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32",
    },
  );

/** Installs the packages, outer then inner. @throws Error when the platform has none. */
export function installPackages() {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error(
      `The workbench runs on Linux x64 only (this is ${process.platform} ${process.arch}): its Node comes as a package for that platform.`,
    );
  if (!existsSync(path.join(here, "node_modules/playwright-core"))) npm(here, ["ci"]);
  // `npm ci` of the outer folder removes this one, and VS Code's own lock cannot be used with `ci`.
  if (!existsSync(path.join(vscode, "node_modules/@parcel/watcher")))
    npm(vscode, ["install", "--omit=dev"]);
}

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser's path. Installed with apt when it is missing and we may. @throws Error saying how. */
export function findChromium() {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined) return given;
  const found = CHROMIUM.find((file) => existsSync(file));
  if (found) return found;
  const how = "apt-get install -y --no-install-recommends chromium";
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    const apt = (...args) =>
      execFileSync("apt-get", args, {
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    console.error(`Chromium is missing: ${how}`);
    apt("update", "-qq");
    apt("install", "-y", "-qq", "--no-install-recommends", "chromium");
    if (existsSync(CHROMIUM[0])) return CHROMIUM[0];
  }
  throw new Error(
    `Chromium is missing. Install it (${how}) or set CHROMIUM_PATH to a Chromium or Chrome.`,
  );
}
