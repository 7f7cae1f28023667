import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitCodeOf, failureJson, failureText } from "../../src/cli/failure.ts";
import { progressView } from "../../src/cli/progress.ts";
import { scratchFolder } from "../../src/cli/scratchFolder.ts";
import { PLAIN, styleFor } from "../../src/cli/style.ts";
import { left, pairs, right, sizeChange, skipLines, table, unitTable } from "../../src/cli/text.ts";
import { engineErrors, toFailure } from "../../src/shared/errors.ts";

describe("tables", () => {
  it("align by column and cut long lists", () => {
    const rows = [
      ["a", "10 kB"],
      ["longer", "1 kB"],
      ["c", "1 kB"],
    ];
    assert.deepEqual(table([left("name"), right("size")], rows, PLAIN, 2), [
      "  name     size",
      "  a       10 kB",
      "  longer   1 kB",
      "  … and 1 more (--json lists all)",
    ]);
    assert.deepEqual(table([left("name")], [], PLAIN), []);
  });

  it("label values", () => {
    assert.deepEqual(
      pairs(
        [
          ["size", "1 kB"],
          ["nodes", "3"],
        ],
        PLAIN,
      ),
      ["size   1 kB", "nodes  3"],
    );
  });

  it("show units with exact and uncertain sizes", () => {
    const unit = { name: "/fc", op: "MatMul", detail: "4 bit", sizeBefore: 1000 };
    assert.deepEqual(
      unitTable(
        [
          { ...unit, sizeAfter: { min: 250, max: 250 } },
          { ...unit, name: "/b", sizeAfter: { min: 200, max: 300 } },
        ],
        PLAIN,
      ),
      [
        "  unit  op       before          after   ratio  change",
        "  /fc   MatMul  1.00 kB      250 bytes  0.250×  4 bit",
        "  /b    MatMul  1.00 kB  200–300 bytes          4 bit",
      ],
    );
    assert.equal(sizeChange(1000, 250), "1.00 kB → 250 bytes (0.250×)");
  });

  it("group skips by reason, the most frequent first", () => {
    const skipped = [
      { name: "a", reason: "too small" },
      ...["b", "c", "d", "e"].map((name) => ({ name, reason: "not constant" })),
    ];
    assert.deepEqual(skipLines(skipped, PLAIN), [
      "  5 skips:",
      "    4 × not constant: b, c, d, and 1 more",
      "    1 × too small: a",
    ]);
    assert.deepEqual(skipLines([], PLAIN), []);
  });
});

describe("style", () => {
  it("colours terminals only and honours NO_COLOR", () => {
    assert.equal(styleFor(true, {}).bold("x"), "\u001b[1mx\u001b[22m");
    assert.equal(styleFor(false, {}).bold("x"), "x");
    assert.equal(styleFor(true, { NO_COLOR: "1" }).bold("x"), "x");
    assert.equal(styleFor(true, { NO_COLOR: "" }).bold("x"), "\u001b[1mx\u001b[22m");
    assert.equal(styleFor(true, { TERM: "dumb" }).bold("x"), "x");
  });
});

describe("failures", () => {
  it("are one paragraph, and always four keys in JSON", () => {
    const failure = engineErrors.notFound("x.onnx").failure;
    assert.equal(failureText(failure, PLAIN), "error: x.onnx does not exist. Check the path.");
    assert.deepEqual(failureJson({ code: "usage", message: "No." }), {
      error: { code: "usage", message: "No.", where: null, hint: null },
    });
  });

  it("tell apart bad input, a failed result and a cancellation", () => {
    assert.equal(exitCodeOf(engineErrors.notFound("x").failure), 2);
    assert.equal(exitCodeOf(engineErrors.resultInvalid("x", "y").failure), 1);
    assert.equal(exitCodeOf({ code: "gate", message: "" }), 1);
    assert.equal(exitCodeOf({ code: "cancelled", message: "" }), 130);
  });

  it("show the place of our own defects", () => {
    assert.match(
      failureText(toFailure(new Error("boom")), PLAIN),
      /defect of Lathe.*\nError: boom\n/,
    );
  });
});

describe("progress", () => {
  const view = (isTerminal: boolean) => {
    const written: string[] = [];
    let time = 0;
    let waiting: { readonly act: () => void; readonly at: number } | null = null;
    const progress = progressView({
      isTerminal,
      columns: 40,
      write: (text) => written.push(text),
      now: () => time,
      later: (act, ms) => {
        waiting = { act, at: time + ms };
        return () => (waiting = null);
      },
    });
    const at = (ms: number): void => {
      time = ms;
      if (waiting && waiting.at <= ms) waiting.act();
      if (waiting && waiting.at <= ms) waiting = null;
    };
    return { progress, written, at };
  };

  it("says nothing about work that ends at once", () => {
    for (const isTerminal of [true, false]) {
      const { progress, written, at } = view(isTerminal);
      progress.show(0.5, "a");
      progress.clear();
      at(1000);
      assert.deepEqual(written, []);
    }
  });

  it("tells what a long step is, though it was told too early to be shown", () => {
    for (const isTerminal of [true, false]) {
      const { progress, written, at } = view(isTerminal);
      progress.show(0, "opening");
      at(100);
      progress.show(0, "factors");
      at(300);
      assert.deepEqual(written, []);
      at(400);
      assert.equal(written.length, 1);
      assert.match(written[0] ?? "", /0 % {2}factors/);
    }
  });

  it("draws a bar that fits the terminal and removes it", () => {
    const { progress, written, at } = view(true);
    at(1000);
    progress.show(0.5, "a message too long for it");
    progress.clear();
    assert.equal(written[0], "\r\u001b[K████████████░░░░░░░░░░░░  50 %  a messa");
    assert.equal(written[1], "\r\u001b[K");
  });

  it("writes few lines where there is no terminal", () => {
    const { progress, written, at } = view(false);
    for (let ms = 1000; ms <= 6000; ms += 100) {
      at(ms);
      progress.show(ms / 10_000, "quantizing");
    }
    assert.deepEqual(written, [
      " 10 %  quantizing\n",
      " 30 %  quantizing\n",
      " 50 %  quantizing\n",
    ]);
  });
});

describe("scratch folder", () => {
  it("is the user's cache folder, or LATHE_SCRATCH", () => {
    assert.equal(scratchFolder("linux", {}, "/home/u"), "/home/u/.cache/lathe");
    assert.equal(scratchFolder("linux", { XDG_CACHE_HOME: "/c" }, "/home/u"), "/c/lathe");
    assert.equal(scratchFolder("darwin", {}, "/Users/u"), "/Users/u/Library/Caches/lathe");
    assert.match(scratchFolder("win32", { LOCALAPPDATA: "L" }, "U"), /^L.lathe$/);
    assert.equal(scratchFolder("linux", { LATHE_SCRATCH: "/s" }, "/home/u"), "/s");
  });
});
