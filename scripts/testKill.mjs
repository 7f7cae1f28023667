/** `npm run test:kill`: saves killed at 200 random moments (100 for each layout), and before every single call that changes the file system. */
import { execFileSync } from "node:child_process";
import path from "node:path";

process.chdir(path.resolve(import.meta.dirname, ".."));
execFileSync(process.execPath, ["scripts/build.mjs", "--tests"], { stdio: "inherit" });
execFileSync(process.execPath, ["--test", "out/test/test/engine/killedSave.test.mjs"], {
  stdio: "inherit",
  env: { ...process.env, LATHE_KILLS: "100" },
});
