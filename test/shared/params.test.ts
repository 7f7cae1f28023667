import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ParamError, nearest } from "../../src/shared/errors.ts";
import { choice, flag, number, parseParam, readParams } from "../../src/shared/params.ts";

const SCHEMA = {
  bits: number({ title: "Bits", help: "", default: 4, min: 2, max: 8, of: [2, 4, 8] }),
  ratio: number({ title: "Ratio", help: "", default: 0.5, min: 0, max: 1 }),
  count: number({ title: "Count", help: "", default: 1, min: 1, max: 9, integer: true }),
  scheme: choice({
    title: "Scheme",
    help: "",
    of: ["symmetric", "asymmetric"],
    default: "symmetric",
  }),
  deep: flag({ title: "Deep", help: "", default: false }),
};
const read = (given: Record<string, unknown>) => readParams("quantize.x", SCHEMA, given);

describe("parameters", () => {
  it("fills defaults", () => {
    assert.deepEqual(read({}), { bits: 4, ratio: 0.5, count: 1, scheme: "symmetric", deep: false });
  });
  it("takes values of each kind, also from text", () => {
    assert.equal(read({ bits: parseParam(SCHEMA.bits, "8") }).bits, 8);
    assert.equal(read({ deep: parseParam(SCHEMA.deep, "true") }).deep, true);
    assert.equal(read({ scheme: parseParam(SCHEMA.scheme, "asymmetric") }).scheme, "asymmetric");
  });
  const REFUSED: [Record<string, unknown>, RegExp, RegExp][] = [
    [{ bits: 3 }, /bits is 3/, /one of 2, 4, 8/],
    [{ bits: "4" }, /bits is "4"/, /one of 2, 4, 8/],
    [{ ratio: 1.5 }, /ratio is 1.5/, /a number from 0 to 1/],
    [{ ratio: NaN }, /ratio is NaN/, /a number from 0 to 1/],
    [{ count: 2.5 }, /count is 2.5/, /a whole number from 1 to 9/],
    [{ scheme: "odd" }, /scheme is "odd"/, /symmetric, asymmetric/],
    [{ deep: "yes" }, /deep is "yes"/, /true or false/],
    [{ bit: 4 }, /no parameter "bit"/, /Did you mean "bits"\? Known: bits, ratio/],
    [{ __proto__: null, constructor: 1 }, /no parameter "constructor"/, /Known/],
  ];
  for (const [given, message, hint] of REFUSED)
    it(`refuses ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => read(given),
        (error) => {
          assert.ok(error instanceof ParamError);
          assert.match(error.message, message);
          assert.match(error.failure.hint ?? "", hint);
          return true;
        },
      );
    });
  it("suggests only names that are near", () => {
    assert.equal(
      nearest("quantise.weightOnly", ["quantize.weightOnly", "graph.clean"]),
      "quantize.weightOnly",
    );
    assert.equal(nearest("prune", ["quantize.weightOnly", "graph.clean"]), null);
  });
});
