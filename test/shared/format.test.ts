import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "../../src/shared/format.ts";
import { htmlReport } from "../../src/shared/htmlReport.ts";

const table = <A>(format: (value: A) => string, rows: readonly (readonly [A, string])[]): void => {
  for (const [value, text] of rows) assert.equal(format(value), text);
};

test("bytes are decimal with three significant digits", () => {
  table(f.formatBytes, [
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1.00 kB"],
    [9994, "9.99 kB"],
    [9996, "10.0 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [1_500_000_000, "1.50 GB"],
    [2 ** 53, "9.01 PB"],
  ]);
});

test("size ranges collapse when they read the same", () => {
  assert.equal(f.formatSizeRange({ min: 1000, max: 1000 }), "1.00 kB");
  assert.equal(f.formatSizeRange({ min: 1_200_000, max: 1_350_000 }), "1.20–1.35 MB");
  assert.equal(f.formatSizeRange({ min: 980_000, max: 1_020_000 }), "980 kB–1.02 MB");
});

test("counts, ratios, shares", () => {
  table(f.formatCount, [
    [0, "0"],
    [1234, "1,234"],
    [-1_234_567, "-1,234,567"],
  ]);
  table(f.formatCompact, [
    [999, "999"],
    [26_214_400, "26.2M"],
  ]);
  table(f.formatRatio, [
    [0.28341, "0.283×"],
    [1, "1×"],
    [12.345, "12.3×"],
    [1234.5, "1235×"],
    [null, "–"],
    [Number.POSITIVE_INFINITY, "–"],
  ]);
  table(f.formatPercent, [
    [0, "0 %"],
    [1, "100 %"],
    [0.9134, "91.3 %"],
    [0.00012345, "0.012 %"],
    [0.9998, "> 99.9 %"],
    [null, "–"],
  ]);
  assert.equal(f.ratioOf(1, 0), null);
  assert.equal(f.ratioOf(1, 4), 0.25);
});

test("durations", () => {
  table(f.formatDuration, [
    [0.0123, "12.3 µs"],
    [0.4211, "0.42 ms"],
    [12.34, "12.3 ms"],
    [250, "250 ms"],
    [1400, "1.40 s"],
    [12_340, "12.3 s"],
    [125_000, "2 min 5 s"],
    [3_780_000, "1 h 3 min"],
  ]);
});

test("plain figures, shapes, metrics", () => {
  table(f.formatNumber, [
    [null, "–"],
    [0, "0"],
    [1.23456, "1.235"],
    [-0.00012345, "−0.0001234"],
    [0.0000123, "1.230e−5"],
    [12, "12"],
    [Number.NaN, "NaN"],
  ]);
  table(f.formatDb, [
    [21.84, "21.8 dB"],
    [Number.POSITIVE_INFINITY, "∞ dB"],
    [null, "–"],
  ]);
  assert.equal(f.formatShape([1, "batch", null]), "[1, batch, ?]");
  assert.equal(f.formatMetric("top1", 0.912), "91.20 %");
  assert.equal(f.formatRatioInterval(0.6, 0.55, 0.66), "0.600× (0.550× to 0.660×)");
  const result = {
    metric: "perplexity",
    value: 4.3012,
    low: 4.2,
    high: 4.4,
    n: 12_000,
    better: "lower",
    synthetic: false,
    data: "dataset.json",
    also: {},
    notes: [],
  } as const;
  assert.equal(f.formatEval(result), "4.3012 (4.2000 to 4.4000)");
  assert.equal(f.formatEvidence(result), "dataset.json, n = 12,000");
  assert.equal(f.formatEvidence({ ...result, synthetic: true }), "synthetic inputs, n = 12,000");
});

test("drops in their unit, with interval and verdict; McNemar and divergence", () => {
  assert.equal(f.formatDrop(0.0035, "points"), "0.35 points");
  assert.equal(f.formatDrop(-0.004, "relative"), "−0.40 %");
  assert.equal(f.formatDrop(-0.00001, "points"), "0.00 points");
  assert.equal(f.formatDrop(Infinity, "relative"), "∞ %");
  const quality = (dropLow: number, dropHigh: number) =>
    ({ dropLow, dropHigh, dropUnit: "points" }) as Parameters<typeof f.dropVerdict>[0];
  assert.equal(f.formatDropInterval(quality(-0.002, 0.009)), "−0.20 to 0.90 points");
  assert.deepEqual(
    [quality(0.001, 0.1), quality(-0.1, -0.001), quality(0, 0.1)].map(f.dropVerdict),
    ["worse", "better", null],
  );
  assert.equal(
    f.formatMcNemar({ lost: 1200, won: 9, p: 0.6612 }),
    "1,200 lost, 9 won, McNemar p = 0.66",
  );
  assert.equal(
    f.formatMcNemar({ lost: 40, won: 0, p: 1e-12 }),
    "40 lost, 0 won, McNemar p < 0.0001",
  );
  assert.deepEqual([f.formatKl(0.00214), f.formatKl(null)], ["0.00214 nats", "–"]);
});

test("skips are grouped by reason, most frequent first", () => {
  const groups = f.groupByReason([
    { name: "a", reason: "small" },
    { name: "b", reason: "tied" },
    { name: "c", reason: "tied" },
  ]);
  assert.deepEqual(groups, [
    { reason: "tied", names: ["b", "c"] },
    { reason: "small", names: ["a"] },
  ]);
});

test("a report's figures cannot end the script that holds them", () => {
  const html = htmlReport(
    {
      title: 'a<b>"c',
      tool: "Lathe",
      before: { path: "</script><b>", sizeBytes: 1 },
      after: { path: "x", sizeBytes: 1 },
      entries: [],
      techniqueTitles: {},
      structure: null,
      tensors: [],
      measures: null,
    },
    'const s = "</script>" + "<!--";\n//# sourceMappingURL=webview.js.map',
  );
  assert.equal(html.match(/<\/script>/g)?.length, 2);
  assert.ok(!html.includes("<!--"));
  assert.ok(!html.includes("sourceMappingURL"));
  assert.ok(html.includes("<title>a&lt;b>&quot;c</title>"));
});
