import assert from "node:assert/strict";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  truncateSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { dataNameOf, freeName, sameContent, sha256Of } from "../../src/engine/saveContent.ts";
import { task, tempFolder } from "../helpers/temp.ts";

/** Larger than what is hashed whole: its name comes from samples, 68 KB apart. */
const LARGE = 70 * 1024 * 1024;
const UNSAMPLED = 40_000;

function large(file: string, at: number, value: number): string {
  writeFileSync(file, "");
  truncateSync(file, LARGE);
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Uint8Array.of(value), 0, 1, at);
  closeSync(descriptor);
  return file;
}

const nameIn = (folder: string, file: string): Promise<string> =>
  freeName(folder, file, null, (digits) => dataNameOf("m", digits), task);

describe("the name of a data file", () => {
  it("is the same for the same content, and another for other content of the same samples", async (t) => {
    const folder = tempFolder(t);
    const place = path.join(folder, "place");
    mkdirSync(place);
    const one = large(path.join(folder, "one"), UNSAMPLED, 1);
    const other = large(path.join(folder, "other"), UNSAMPLED, 2);
    const first = await nameIn(place, one);
    assert.match(first, /^m\.[0-9a-f]{8}\.data$/);
    assert.equal(await nameIn(place, other), first);
    copyFileSync(one, path.join(place, first));
    assert.equal(await nameIn(place, one), first);
    const second = await nameIn(place, other);
    assert.match(second, /^m\.[0-9a-f]{16}\.data$/);
    // Every length of the digest is taken: the whole content decides.
    for (const digits of [16, 32, 64]) {
      const taken = await nameIn(place, other);
      assert.equal(taken.length, "m..data".length + digits);
      copyFileSync(one, path.join(place, taken));
    }
    assert.equal(await nameIn(place, other), `m.${await sha256Of(other, task)}.data`);
  });

  it("follows from the bytes that are sampled", async (t) => {
    const folder = tempFolder(t);
    const names = [0, LARGE - 1].map(async (at, i) =>
      nameIn(folder, large(path.join(folder, `f${i}`), at, 1)),
    );
    assert.equal(new Set(await Promise.all(names)).size, 2);
  });
});

it("a name without digits is taken where it is free or holds the same content", async (t) => {
  const folder = tempFolder(t);
  const [one, other] = [1, 2].map((value) => large(path.join(folder, `f${value}`), 0, value));
  assert.ok(one !== undefined && other !== undefined);
  const name = (file: string): Promise<string> =>
    freeName(folder, file, "plain", (digits) => `with-${digits}`, task);
  assert.equal(await name(one), "plain");
  copyFileSync(one, path.join(folder, "plain"));
  assert.equal(await name(one), "plain");
  assert.match(await name(other), /^with-[0-9a-f]{8}$/);
});

it("a link to a file has its content", async (t) => {
  const folder = tempFolder(t);
  const file = large(path.join(folder, "file"), 0, 1);
  linkSync(file, path.join(folder, "link"));
  assert.ok(await sameContent(file, path.join(folder, "link"), task));
  assert.ok(!(await sameContent(file, large(path.join(folder, "else"), 1, 1), task)));
});
