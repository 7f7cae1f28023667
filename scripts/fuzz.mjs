/**
 * `npm run fuzz`: 100,000 damaged files, each read or refused by name within 2 CPU seconds and 512 MB.
 * `npm run fuzz -- --from 5000 --to 6000` takes some of them; `--keep FOLDER` leaves their files there.
 * Ends with `N passed, N failed`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

process.chdir(path.resolve(import.meta.dirname, ".."));
const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const from = Number(option("from", 0));
const to = Number(option("to", 100_000));
const keep = option("keep", null);
if (keep !== null) mkdirSync(keep, { recursive: true });
// The whole test collection gives the seeds, where it is.
process.env.LATHE_CORPUS = "all";
execFileSync(process.execPath, ["scripts/build.mjs", "--tests"], { stdio: "inherit" });
const { campaign } = await import(
  pathToFileURL(path.resolve("out/test/test/fuzz/campaign.child.mjs"))
);
const { read, refused, peakMb, problems } = await campaign(
  { seeds: option("seeds", "all"), from, to, keep },
  (done) => console.log(`${done} of ${to - from}`),
);
for (const { at, what, problem } of problems) console.log(`FAIL ${at} (${what}): ${problem}`);
console.log(`${read} read, ${refused} refused by name, at most ${peakMb} MB`);
console.log(`${read + refused} passed, ${problems.length} failed`);
process.exit(problems.length === 0 ? 0 : 1);
