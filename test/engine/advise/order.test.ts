import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "../../../src/engine/advise/optimizeText.ts";
import {
  inOrder,
  isSlower,
  maySlow,
  whyNot,
  type Measured,
} from "../../../src/engine/advise/order.ts";
import type { BenchResult, OptimizeGoal } from "../../../src/shared/protocol.ts";

const latency = (ratio: number, spread: number): BenchResult => ({
  models: [],
  ratio,
  ratioLow: ratio - spread,
  ratioHigh: ratio + spread,
  threads: 1,
});
const one = (
  label: string,
  sizeBytes: number,
  damage: number,
  ratio: number,
  spread = 0.02,
): Measured => ({
  label,
  entries: [],
  first: null,
  picks: [],
  predicted: damage,
  savedBytes: 0,
  worst: [],
  sizeBytes,
  damage,
  kl: damage,
  sqnrDb: 40,
  latency: latency(ratio, spread),
});
const goal = (part: Partial<OptimizeGoal>): OptimizeGoal => ({
  maxDrop: null,
  targetSize: null,
  faster: false,
  ...part,
});
const labels = (
  all: readonly Measured[],
  of: OptimizeGoal,
  wanted: number | null = null,
): readonly string[] => inOrder(all, of, wanted).tries.map(({ label }) => label);

test("sizes within 5 % are equal: the gentler of them comes first, whatever is a little faster", () => {
  const all = [
    one("smallest", 100, 0.02, 0.9),
    one("gentle", 104, 0.001, 1.02),
    one("larger", 106, 0.0001, 0.5),
  ];
  assert.deepEqual(labels(all, goal({ maxDrop: 0.01 })), ["gentle", "smallest", "larger"]);
});

test("a time that clearly differs decides between equal sizes; one that noise may explain does not", () => {
  const clear = [one("slow", 100, 0.001, 1.0), one("fast", 101, 0.002, 0.6)];
  assert.deepEqual(labels(clear, goal({ maxDrop: 0.01 })), ["fast", "slow"]);
  const noisy = [one("gentle", 100, 0.001, 0.85, 0.3), one("other", 101, 0.002, 0.6, 0.3)];
  assert.deepEqual(labels(noisy, goal({ maxDrop: 0.01 })), ["gentle", "other"]);
});

test("those shown to be slower come last, and a little slower is worth a second look", () => {
  const all = [one("slow", 50, 0.001, 1.5), one("fine", 100, 0.002, 1.04, 0.01)];
  assert.deepEqual(labels(all, goal({ maxDrop: 0.01 })), ["fine", "slow"]);
  assert.ok(isSlower(latency(1.1, 0.05)) && !isSlower(latency(1.1, 0.2)));
  assert.ok(maySlow(latency(1.1, 0.05)) && !maySlow(latency(1.5, 0.05)));
});

test("--faster: only what is shown to be faster; among equally fast ones the gentler", () => {
  const all = [
    one("fastest", 100, 0.01, 0.5),
    one("as fast, further", 80, 0.02, 0.52),
    one("fast", 60, 0.001, 0.8),
    one("no faster", 50, 0, 0.99, 0.05),
  ];
  const { tries, out } = inOrder(all, goal({ faster: true }), null);
  assert.deepEqual(
    tries.map(({ label }) => label),
    ["fastest", "as fast, further", "fast"],
  );
  assert.deepEqual(
    out.map(({ one: { label } }) => label),
    ["no faster"],
  );
});

test("--target-size: the gentlest that fits; where none does, the smallest is named", () => {
  const all = [one("a", 100, 0.01, 1), one("b", 90, 0.001, 1), one("c", 200, 0, 1)];
  assert.deepEqual(labels(all, goal({ targetSize: { bytes: 150 } }), 150), ["b", "a"]);
  const { reasons, tries } = inOrder(all, goal({ targetSize: { bytes: 10 } }), 10);
  assert.equal(tries.length, 0);
  assert.match(reasons.join(" "), /10 bytes cannot be reached: the smallest .* is 90 bytes/);
});

test("outputs that are as near with a shorter recipe come first", () => {
  const entry = { transform: "quantize.static", params: {} };
  const long: Measured = { ...one("long", 100, 0.00095, 0.7), entries: [entry, entry] };
  const short: Measured = { ...one("short", 101, 0.001, 0.7), entries: [entry] };
  assert.deepEqual(labels([long, short], goal({ maxDrop: 0.01 })), ["short", "long"]);
  assert.match(whyNot(long, short, goal({ maxDrop: 0.01 }), null), /shorter recipe/);
});

test("what was measured but not chosen is told what the chosen one has over it", () => {
  const chosen = one("chosen", 100, 0.001, 0.7);
  const said = (other: Measured, of = goal({ maxDrop: 0.01 })): string =>
    whyNot(other, chosen, of, null);
  assert.match(said(one("large", 150, 0, 0.5)), /smaller/);
  assert.match(said(one("slow", 100, 0.001, 0.99)), /faster here/);
  assert.match(said(one("slower", 90, 0.001, 1.3)), /slower here/);
  assert.match(said(one("far", 102, 0.01, 0.7)), /nearer/);
  assert.match(said(one("large", 150, 0, 0.9), goal({ faster: true })), /faster here/);
});

test("what is done before layers are stored otherwise is a suggestion of its own", () => {
  const entries = [{ transform: "prune.channels", params: { amount: 0.25 } }];
  const first = { label: "25 % of channels removed", entries, reason: "why" };
  const plain = one("x", 3000, 0.1, 0.9);
  const pruned = say.suggestions({ ...plain, first }, null, plain.latency, 4000);
  assert.deepEqual(
    pruned.map(({ title, entries: own, reason }) => [title, own, reason]),
    [["25 % of channels removed", entries, "why"]],
  );
  assert.deepEqual(say.suggestions(plain, null, plain.latency, 4000), []);
});
