import assert from "node:assert/strict";
import metadata from "../../../src/transforms/edit/metadata.ts";
import { testTechnique } from "../../helpers/harness.ts";

const MODEL = "input x float32 [3] y = Relu(x) output y float32 [3]";

testTechnique(metadata, [
  {
    name: "sets an entry",
    model: MODEL,
    params: { key: "license", value: "Apache-2.0" },
    units: ["license"],
    skips: {},
    check: (model, change) => {
      assert.equal(model.meta.get("license"), "Apache-2.0");
      assert.equal(change.units[0]?.detail, '"Apache-2.0"');
    },
  },
  {
    name: "in safetensors, with any text",
    format: "safetensors",
    model: "a = float32 [4] ones",
    params: { key: 'ключ "1"', value: "two\nlines" },
    units: ['ключ "1"'],
    check: (model) => assert.equal(model.meta.get('ключ "1"'), "two\nlines"),
  },
  { name: "no key", model: MODEL, units: [], skips: { metadata: "no key" } },
  {
    name: "removing what is not there",
    model: MODEL,
    params: { key: "license", action: "remove" },
    units: [],
    skips: { license: "no such entry" },
  },
  {
    name: "the recipe's own key",
    model: MODEL,
    params: { key: "lathe.recipe", value: "{}" },
    units: [],
    skips: { "lathe.recipe": "written by Lathe itself" },
  },
]);
