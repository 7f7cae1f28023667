/** Runs in the extension host: what the extension registers, and its commands without a mouse. */
import Mocha from "mocha";
import { manifestSuite } from "./manifest.ts";
import { commandSuite } from "./commands.ts";

/** VS Code calls this; a rejection is a failure of the whole run. */
export async function run(): Promise<void> {
  const output = process.env["LATHE_TEST_RESULTS"];
  if (output === undefined) throw new Error("LATHE_TEST_RESULTS says nothing");
  const mocha = new Mocha({
    ui: "bdd",
    timeout: 60_000,
    color: false,
    reporter: "json",
    reporterOptions: { output },
  });
  mocha.suite.emit("pre-require", globalThis, "suite", mocha);
  manifestSuite();
  commandSuite();
  await new Promise<void>((resolve, reject) => {
    mocha.run((failures) => {
      if (failures > 0) reject(new Error(`${failures} failed`));
      else resolve();
    });
  });
}
