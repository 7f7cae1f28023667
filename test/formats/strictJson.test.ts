/** Text that is read quickly means what JSON.parse says it means. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStrictJson } from "../../src/formats/strictJson.ts";

const NUMBERS = ["0", "7", "10", "123456789012345", "1234567890123456", "9007199254740993"];
const ODD = ["00", "01", "-1", "-0", "1.5", "1e3", "0e1", "1.", ".5", "+1", "0x1", "1_0", "", "-"];
const TEXTS = ['""', '"a b"', '"ü\u{1F600}"', '"a\\nb"', '"\\u0041"', '"\\x"', '"a\tb"', '"a', '"'];
const WORDS = ["true", "false", "null", "nul"];

for (const text of [...NUMBERS, ...ODD, ...TEXTS, ...WORDS])
  for (const whole of [text, `[${text}]`, `[ ${text} , ${text}\n]`])
    test(`${JSON.stringify(whole)} is read as JSON.parse reads it`, () => {
      const parsed = parseStrictJson(whole);
      let expected: unknown;
      try {
        expected = JSON.parse(whole);
      } catch {
        assert.ok("problem" in parsed);
        return;
      }
      assert.ok("value" in parsed);
      assert.deepEqual(parsed.value, expected);
    });

test("a key that is there twice is refused, however it is written", () => {
  for (const text of ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"\\u0061":1,"a":2}']) {
    const parsed = parseStrictJson(text);
    assert.ok("problem" in parsed);
    assert.match(parsed.problem, /is there twice/);
    assert.equal(parsed.at, 7 + (text.startsWith('{"\\') ? 5 : 0));
  }
});
