import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { memoryBytes } from "../../src/data/files.ts";
import { npySamples } from "../../src/data/npy.ts";
import { product } from "../../src/data/samples.ts";
import { DataError } from "../../src/shared/errors.ts";
import { toNumbers } from "../../src/shared/hostTensor.ts";
import { npyBytes } from "../helpers/npy.ts";

interface Fixture {
  readonly name: string;
  readonly base64: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly values: (number | string)[];
}
const fixtures = (
  JSON.parse(readFileSync("test/fixtures/npy.json", "utf8")) as { arrays: Fixture[] }
).arrays;

for (const fixture of fixtures)
  test(`reads what NumPy wrote: ${fixture.name}`, async () => {
    const samples = npySamples(memoryBytes("x.npy", Buffer.from(fixture.base64, "base64")));
    assert.deepEqual(
      fixture.shape.length === 0 ? [] : [samples.count, ...samples.shape],
      fixture.shape,
    );
    const data = await samples.read(0, samples.count);
    const shape = [samples.count, ...samples.shape];
    const values = Array.isArray(data)
      ? data
      : [...toNumbers({ dtype: samples.dtype, shape, data })];
    assert.deepEqual(values, fixture.values);
    if (samples.count < 2) return;
    const size = product(samples.shape);
    const part = await samples.read(1, 2);
    assert.deepEqual([...part], [...data].slice(size, 2 * size), "a range is a part of the whole");
  });

test("byte strings are one character per byte", async () => {
  const head = npyBytes([1], Uint8Array.of(0x93));
  const text = Buffer.from(head).toString("latin1").replace("|u1", "|S1");
  const samples = npySamples(memoryBytes("x.npy", Buffer.from(text, "latin1")));
  assert.deepEqual(await samples.read(0, 1), ["\x93"]);
});

test("a file that is not as its header says is refused by name", () => {
  const good = npyBytes([2, 3], new Float32Array(6));
  const refuse = (bytes: Uint8Array, pattern: RegExp): void => {
    assert.throws(
      () => npySamples(memoryBytes("x.npy", bytes)),
      (error) => error instanceof DataError && pattern.test(error.message),
      String(pattern),
    );
  };
  refuse(good.subarray(0, good.length - 4), /should have 152 bytes and has 148/);
  refuse(good.subarray(0, 4), /too short/);
  refuse(new TextEncoder().encode("PK plus ten bytes"), /mark of NumPy files/);
  const patched = (from: string, to: string): Uint8Array => {
    const text = Buffer.from(good).toString("latin1").replace(from, to.padEnd(from.length));
    return Buffer.from(text, "latin1");
  };
  refuse(patched("'<f4'", "'|O8'"), /element type is \|O8/);
  refuse(patched("'<f4'", "'c16'"), /element type is c16/);
  refuse(patched("(2, 3)", "(2,-3)"), /shape is \(2, -3\)/);
  refuse(patched("'shape'", "'shap'"), /no readable "shape"/);
  const huge = good.slice();
  huge[6] = 2;
  huge.set([0xff, 0xff, 0xff, 0x7f], 8);
  refuse(huge, /header has 2147483647 bytes/);
});
