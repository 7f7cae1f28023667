import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { keptFiles } from "../../examples/data.ts";
import { CLASSES, IMAGE_SIZE, generateImages } from "../../examples/images/generate.ts";
import { CHARACTERS, generateText } from "../../examples/text/generate.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const file of keptFiles())
  test(`examples/${file.path} is what its generator makes`, () => {
    assert.equal(
      sha256(readFileSync(path.join("examples", file.path))),
      sha256(file.bytes),
      "run `node scripts/examples.mjs`, and train the models again if the data was meant to change",
    );
  });

test("all examples together take at most 3 MB", () => {
  const files = readdirSync("examples", { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const total = files.reduce(
    (sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size,
    0,
  );
  assert.ok(total <= 3_000_000, `${total} bytes in ${files.length} files`);
});

test("images: every class occurs, another seed gives other images", () => {
  const one = generateImages(7, 300);
  const other = generateImages(8, 300);
  assert.equal(one.pixels.length, 300 * IMAGE_SIZE * IMAGE_SIZE);
  assert.deepEqual(new Set(one.labels), new Set(CLASSES.keys()));
  assert.notEqual(sha256(one.pixels), sha256(other.pixels));
});

test("calibration and evaluation share no image and no paragraph", () => {
  const read = (name: string): Uint8Array => readFileSync(`examples/${name}`);
  const images = (name: string): string[] => {
    const bytes = read(name);
    const area = IMAGE_SIZE * IMAGE_SIZE;
    const count = Math.floor(bytes.length / area);
    const start = bytes.length - count * area;
    return Array.from({ length: count }, (_, i) =>
      sha256(bytes.subarray(start + i * area, start + (i + 1) * area)),
    );
  };
  const paragraphs = (name: string): string[] =>
    new TextDecoder().decode(read(name)).trimEnd().split("\n");
  const overlap = (a: readonly string[], b: readonly string[]): string[] => {
    const seen = new Set(a);
    return b.filter((item) => seen.has(item));
  };
  assert.deepEqual(overlap(images("images/calib_x.npy"), images("images/eval_x.npy")), []);
  assert.deepEqual(overlap(paragraphs("text/calib.txt"), paragraphs("text/eval.txt")), []);
});

test("text: only characters of the vocabulary, sums are right", () => {
  const text = generateText(11, 30_000);
  const known = new Set(CHARACTERS);
  assert.deepEqual(
    [...new Set(text)].filter((character) => !known.has(character)),
    [],
  );
  const numbers = "zero one two three four five six seven eight nine ten eleven twelve".split(" ");
  const sums = [...text.toLowerCase().matchAll(/(\w+) and (\w+) make (\w+)\./g)];
  assert.ok(sums.length > 5);
  for (const [, a = "", b = "", c = ""] of sums)
    assert.equal(numbers.indexOf(a) + numbers.indexOf(b), numbers.indexOf(c));
});
