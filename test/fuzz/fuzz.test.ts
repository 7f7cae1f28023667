/**
 * Damaged files: each is read, or refused as a FormatError that says where, within 2 seconds of CPU
 * time and 512 MB. The first 2,000 mutants of our own files; `npm run fuzz` has 100,000 of all there are.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { campaign } from "./campaign.child.ts";

it("2,000 damaged files are read or refused by name", async () => {
  const { read, refused, peakMb, problems } = await campaign({
    seeds: "own",
    from: 0,
    to: 2000,
    keep: null,
  });
  assert.deepEqual(problems, []);
  assert.equal(read + refused, 2000);
  // Both happen often, or the mutations are too weak or too strong to find anything.
  assert.ok(read > 300 && refused > 300, `${read} read, ${refused} refused`);
  assert.ok(peakMb < 512, `${peakMb} MB`);
});
