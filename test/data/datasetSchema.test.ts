/** The schema that the editor completes by and the reader's own list of keys are the same. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openDatasetJson } from "../../src/data/datasetJson.ts";
import { DataError } from "../../src/shared/errors.ts";
import { tempFolder } from "../helpers/temp.ts";

interface Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly additionalProperties: Schema;
}
const schema = JSON.parse(readFileSync("media/dataset.schema.json", "utf8")) as Schema;

/** What the reader says it knows when it meets a key nobody knows. */
async function knownKeys(t: TestContext, dataset: object): Promise<string[]> {
  const file = path.join(tempFolder(t), "dataset.json");
  writeFileSync(file, JSON.stringify(dataset));
  let hint = "";
  await assert.rejects(openDatasetJson(file, "evaluation"), (error) => {
    assert.ok(error instanceof DataError);
    hint = error.failure.hint ?? "";
    return true;
  });
  return /Known: (.*)\.$/.exec(hint)?.[1]?.split(", ").sort() ?? [];
}
const keys = (part: Schema | undefined): string[] => Object.keys(part?.properties ?? {}).sort();

describe("the dataset.json schema", () => {
  it("has the reader's keys at the top", async (t) => {
    assert.deepEqual(await knownKeys(t, { nobodysKey: 1 }), keys(schema));
  });
  it("has the reader's keys of an input, arrays and text together", async (t) => {
    const array = await knownKeys(t, { inputs: { x: { file: "x.npy", nobodysKey: 1 } } });
    const text = await knownKeys(t, {
      inputs: { x: { file: "x.txt", context: 8, nobodysKey: 1 } },
    });
    assert.deepEqual(
      [...new Set([...array, ...text])].sort(),
      keys(schema.properties["inputs"]?.additionalProperties),
    );
  });
});
