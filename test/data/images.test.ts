/** Pixels have to be those of Pillow: other decoders' rounding changes predictions. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { encode } from "fast-png";
import { decodeImage, openImages } from "../../src/data/images.ts";
import { bilinear } from "../../src/data/resize.ts";
import { csvRows } from "../../src/data/table.ts";
import { tempFolder } from "../helpers/temp.ts";

interface Fixture {
  readonly name: string;
  readonly base64: string;
  readonly height: number;
  readonly width: number;
  readonly sha256: string;
}
const fixtures = JSON.parse(readFileSync("test/fixtures/images.json", "utf8")) as {
  readonly images: Fixture[];
  readonly resizeOf: string;
  readonly resizes: { height: number; width: number; sha256: string }[];
};
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (name: string): Buffer =>
  Buffer.from(fixtures.images.find((f) => f.name === name)?.base64 ?? "", "base64");

for (const { name, height, width, sha256: expected } of fixtures.images)
  test(`decodes as Pillow: ${name}`, async () => {
    const image = await decodeImage(name, bytesOf(name));
    assert.deepEqual([image.height, image.width], [height, width]);
    assert.equal(sha256(image.rgb), expected);
  });

for (const { height, width, sha256: expected } of fixtures.resizes)
  test(`resizes as Pillow: ${height} × ${width}`, async () => {
    const image = await decodeImage("png", bytesOf(fixtures.resizeOf));
    assert.equal(sha256(bilinear(image, height, width).rgb), expected);
  });

test("resize and crop; images of other sizes and broken ones are named", async (t) => {
  const folder = tempFolder(t);
  const put = (file: string, bytes: Uint8Array): void => {
    writeFileSync(path.join(folder, file), bytes);
  };
  put("a.png", bytesOf("png rgb"));
  put("b.jpg", bytesOf("jpeg 4:2:0"));
  const images = await openImages(folder, ["a.png", "b.jpg"], { resize: 16, crop: [12, 14] });
  assert.deepEqual([images.count, ...images.shape], [2, 12, 14, 3]);
  assert.equal((await images.read(0, 2)).length, 2 * 12 * 14 * 3);
  await assert.rejects(openImages(folder, ["a.png"], { crop: 24 }), /cannot be cut from 23 × 37/);
  put("c.png", bytesOf("png rgb").subarray(0, 200));
  await assert.rejects(openImages(folder, ["c.png"], {}), /c\.png: the image cannot be read/);
  put("d.gif", new TextEncoder().encode("GIF89a"));
  await assert.rejects(openImages(folder, ["d.gif"], {}), /neither JPEG nor PNG/);
  const bomb = bytesOf("png rgb");
  bomb.writeUInt32BE(1_000_000, 16);
  bomb.writeUInt32BE(1_000_000, 20);
  put("e.png", bomb);
  await assert.rejects(openImages(folder, ["e.png"], {}), /1000000 × 1000000 pixels are too many/);
  put("f.png", encode({ width: 2, height: 1, channels: 3, data: new Uint8Array(6) }));
  const mixed = await openImages(folder, ["a.png", "f.png"], {});
  await assert.rejects(mixed.read(1, 2), /f\.png: it is 1 × 2 pixels, "a\.png" is 23 × 37/);
  await assert.rejects(openImages(folder, ["nix.png"], {}), /nix\.png does not exist/);
});

/** sha256 of all pixels in the order of labels.csv, by Pillow 13.0.0. */
const SHARED = {
  eval: "ae62ef61fba1e72ec5ae9e666f07bebae50518a247fd201608a5dbedb37f7cce",
  calib: "bca71a457f3d8a979e656dbda250f0a0538aedcd0a5b298f2c03ee1e9689ad81",
};
const photos = "../shared/data/imagenet224";
for (const [split, expected] of Object.entries(SHARED))
  test(`decodes every photograph as Pillow: ${split}`, { skip: !existsSync(photos) }, async () => {
    const folder = path.resolve(photos, split);
    const files = csvRows(path.join(folder, "labels.csv")).map((row) => row["file"] ?? "");
    const images = await openImages(folder, files, {});
    const hash = createHash("sha256");
    for (let i = 0; i < images.count; i++) hash.update((await images.read(i, i + 1)) as Uint8Array);
    assert.equal(hash.digest("hex"), expected);
  });
