import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkOptions, readArguments } from "../../src/cli/arguments.ts";
import { LatheError } from "../../src/shared/errors.ts";

const fails = (argv: readonly string[], text: string): void => {
  assert.throws(
    () => readArguments(argv),
    (error: unknown) => {
      assert.ok(error instanceof LatheError);
      assert.equal(error.failure.code, "usage");
      assert.equal(`${error.failure.message} ${error.failure.hint ?? ""}`, text);
      return true;
    },
  );
};

describe("arguments", () => {
  it("gives each -p and --scope to the -t before it, in order", () => {
    const args = readArguments(
      "apply m.onnx -t a.b -p x=1 -p y=2 --scope /l1/* --scope /l2 -t c.d --param z=a=b -o out.onnx".split(
        " ",
      ),
    );
    assert.deepEqual(args.positionals, ["apply", "m.onnx"]);
    assert.deepEqual(args.entries, [
      {
        technique: "a.b",
        params: [
          ["x", "1"],
          ["y", "2"],
        ],
        scope: ["/l1/*", "/l2"],
      },
      { technique: "c.d", params: [["z", "a=b"]], scope: [] },
    ]);
    assert.equal(args.text("out"), "out.onnx");
    assert.equal(args.text("data"), null);
  });

  it("reads flags and numbers wherever they stand", () => {
    const args = readArguments(["--json", "--threads=2", "bench", "m.onnx", "--runs", "7"]);
    assert.deepEqual(args.positionals, ["bench", "m.onnx"]);
    assert.equal(args.flag("json"), true);
    assert.equal(args.flag("quiet"), false);
    assert.equal(args.number("threads"), 2);
    assert.equal(args.number("runs"), 7);
    assert.equal(args.number("limit"), null);
  });

  it("takes everything after -- as a file", () => {
    const args = readArguments(["inspect", "--", "--json"]);
    assert.deepEqual(args.positionals, ["inspect", "--json"]);
    assert.equal(args.flag("json"), false);
  });

  it("allows values that start with a dash only when they are joined", () => {
    assert.equal(readArguments(["apply", "--out=-x.onnx"]).text("out"), "-x.onnx");
    fails(["apply", "-o", "--force"], "-o needs a value. Write -o OUT.");
  });

  it("says what is wrong", () => {
    fails(["apply", "m.onnx", "-o"], "-o needs a value. Write -o OUT.");
    assert.deepEqual(readArguments(["analyze", "-p", "bits=4"]).params, [["bits", "4"]]);
    assert.throws(() => checkOptions("plan", readArguments(["plan", "-p", "bits=4"]), ["param"]), {
      failure: {
        code: "usage",
        message: "-p comes before any -t.",
        where: "-p",
        hint: "Each -p and --scope belongs to the -t before it: write -t ID -p key=value.",
      },
    });
    fails(
      ["plan", "--scope", "a"],
      "--scope comes before any -t. Each -p and --scope belongs to the -t before it: write -t ID -p key=value.",
    );
    fails(
      ["plan", "-t", "a.b", "-p", "bits"],
      '-p is "bits". It must be key=value, for example -p bits=4.',
    );
    fails(
      ["inspect", "--json=yes"],
      '--json is given the value "yes", but takes none. Write just --json.',
    );
    fails(
      ["eval", "--limit", "0"],
      '--limit is "0". It must be a whole number from 1 to 1000000000.',
    );
    fails(
      ["bench", "--runs", "1.5"],
      '--runs is "1.5". It must be a whole number from 1 to 100000.',
    );
    fails(
      ["apply", "--external-data", "maybe"],
      '--external-data is "maybe". It must be one of auto, always, never.',
    );
  });

  it("refuses options that the command does not have, and suggests its own", () => {
    const refused = (argv: readonly string[]): string => {
      try {
        checkOptions("eval", readArguments(argv), ["data", "limit", "json"]);
      } catch (error) {
        assert.ok(error instanceof LatheError);
        return `${error.failure.message} ${error.failure.hint ?? ""}`;
      }
      return "";
    };
    assert.equal(
      refused(["eval", "m.onnx", "--dato", "x"]),
      '`lathe eval` has no option --dato. Did you mean "--data"? Known: --data, --limit, --json.',
    );
    assert.equal(
      refused(["eval", "m.onnx", "--force"]),
      "`lathe eval` has no option --force. Known: --data, --limit, --json.",
    );
    assert.equal(refused(["eval", "m.onnx", "--data", "x"]), "");
  });
});
