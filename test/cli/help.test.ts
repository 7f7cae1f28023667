import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkOptions, readArguments } from "../../src/cli/arguments.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { commandHelp, overview } from "../../src/cli/help.ts";
import { COMMON_OPTIONS } from "../../src/cli/options.ts";
import { checkPositionals } from "../../src/cli/positionals.ts";
import { PLAIN } from "../../src/cli/style.ts";

describe("help", () => {
  it("names every command in the overview", () => {
    const text = overview(COMMANDS, PLAIN);
    for (const { name } of COMMANDS) assert.match(text, new RegExp(`^  ${name} `, "m"));
  });

  for (const command of COMMANDS)
    it(`of ${command.name} fits a terminal, and its examples are valid`, () => {
      const text = commandHelp(command, PLAIN);
      for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
      assert.ok(command.examples.length > 0);
      for (const { line } of command.examples) {
        assert.ok(text.includes(line));
        const [program, ...argv] = line.split(" ");
        assert.equal(program, "lathe");
        const args = readArguments(argv);
        const [name, ...positionals] = args.positionals;
        assert.equal(name, command.name);
        checkOptions(command.name, args, [...command.options, ...COMMON_OPTIONS]);
        checkPositionals(command, positionals);
      }
    });
});
