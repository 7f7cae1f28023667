/** Texts that are not UTF-8: kept to the byte, and never two names made one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mainGraph } from "../../src/core/model.ts";
import { createSession } from "../../src/engine/ort.ts";
import { escapeText, unescapeText } from "../../src/formats/onnxText.ts";
import { encode, FILE, large, readOnnx, same, withGraph } from "./make.ts";
import { rebuilt } from "./rebuild.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const isUtf8 = (text: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(text);
    return true;
  } catch {
    return false;
  }
};

describe("texts that are not UTF-8", () => {
  it("stand as UTF-8 and come back", () => {
    // Pieces of characters, next to whole ones and to the private ones that stand for bytes.
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 3 }).map(bytes),
      fc.constantFrom(bytes("\u{10fe80}"), bytes("\u{10feff}"), Uint8Array.of(0xf4, 0x8f, 0xba)),
    );
    const text = fc.array(piece, { maxLength: 6 }).map((all) => new Uint8Array(Buffer.concat(all)));
    fc.assert(
      fc.property(text, (original) => {
        const escaped = escapeText(original);
        if (escaped === null) {
          assert.ok(isUtf8(original));
          assert.equal(unescapeText(original), null);
        } else {
          assert.ok(isUtf8(escaped));
          same(unescapeText(escaped) ?? new Uint8Array(), original);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("are kept in a model, wherever they are", async () => {
    // Two names of one Latin-1 letter each: with replacement characters they would be the same.
    const plain = withGraph({
      name: "G1",
      node: [
        { opType: "Identity", input: ["x"], output: ["A1"] },
        { opType: "Neg", input: ["x"], output: ["A2"], name: "N1", docString: "D1" },
        { opType: "Sub", input: ["A1", "A2"], output: ["y"] },
      ],
      initializer: [
        { name: "w", dataType: 2, dims: [5000n], rawData: large(7), docString: "D2" },
        { name: "W3", dataType: 2, dims: [5000n], rawData: large(8) },
      ],
      input: ["x"].map((name) => float(name)),
      output: ["y"].map((name) => float(name)),
    });
    // "A1" becomes the bytes 41 E4, and so on: lengths stay.
    const strange = plain.slice();
    const letters: Readonly<Record<string, number>> = { "1": 0xe4, "2": 0xf6, "3": 0xff };
    for (let at = 0; at + 1 < strange.length; at++)
      if (/[GADNW][123]/.test(String.fromCharCode(strange[at]!, strange[at + 1]!)))
        strange[at + 1] = letters[String.fromCharCode(strange[at + 1]!)]!;
    const model = readOnnx(strange);
    assert.deepEqual(model.warnings, [
      "9 names or texts are not UTF-8; their bytes are kept as they are.",
    ]);
    const [identity, neg, sub] = mainGraph(model).nodes;
    assert.deepEqual(sub?.inputs, [...identity!.outputs, ...neg!.outputs]);
    assert.notEqual(sub.inputs[0], sub.inputs[1]);
    same(encode(model, { [FILE]: strange }).model, strange);
    const anew = encode(rebuilt(model), { [FILE]: strange }).model;
    assert.deepEqual(mainGraph(readOnnx(anew)).nodes[2]?.inputs, sub.inputs);
    const session = await createSession(anew, { threads: 1, optimization: "all" });
    const x = { dtype: "float32", shape: [1], data: Float32Array.of(3) } as const;
    assert.deepEqual((await session.run(new Map([["x", x]]))).get("y")?.data, Float32Array.of(6));
    await session.release();
  });
});

const float = (name: string) => ({
  name,
  type: {
    value: {
      case: "tensorType" as const,
      value: { elemType: 1, shape: { dim: [{ value: { case: "dimValue" as const, value: 1n } }] } },
    },
  },
});
