/** Everything the manifest names is there: commands, texts, files. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

const manifest = readFileSync("package.json", "utf8");
const texts = JSON.parse(readFileSync("package.nls.json", "utf8")) as Record<string, string>;
const { contributes } = JSON.parse(manifest) as {
  contributes: {
    commands: { command: string }[];
    walkthroughs: {
      steps: { media: { markdown: string }; completionEvents: string[]; description: string }[];
    }[];
    jsonValidation: { url: string }[];
  };
};
const commands = new Set(contributes.commands.map(({ command }) => command));
const steps = contributes.walkthroughs.flatMap((walkthrough) => walkthrough.steps);

describe("the manifest", () => {
  it("uses only texts that exist, and every text is used", () => {
    const used = [...manifest.matchAll(/"%([^%"]+)%"/g)].map((m) => m[1] ?? "");
    assert.deepEqual(
      used.filter((key) => texts[key] === undefined),
      [],
    );
    // Families without a technique yet keep their title.
    const unused = Object.keys(texts).filter((key) => !used.includes(key));
    assert.deepEqual(
      unused.filter((key) => !key.startsWith("command.")),
      [],
    );
  });
  it("ships every file it names", () => {
    const files = [
      ...steps.map((step) => step.media.markdown),
      ...contributes.jsonValidation.map(({ url }) => url),
    ];
    assert.deepEqual(
      files.filter((file) => !existsSync(file)),
      [],
    );
  });
  it("the walkthrough's links and events name real commands", () => {
    const events = steps.flatMap((step) => step.completionEvents);
    const named = [
      ...events.filter((e) => e.startsWith("onCommand:")).map((e) => e.slice("onCommand:".length)),
      ...Object.values(texts).flatMap((text) =>
        [...text.matchAll(/\(command:(lathe\.[A-Za-z]+)\)/g)].map((m) => m[1] ?? ""),
      ),
    ];
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((command) => !commands.has(command)),
      [],
    );
  });
});
