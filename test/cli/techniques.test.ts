import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { techniqueStates, type TechniqueRow } from "../../src/shared/techniques.ts";

const rows = JSON.parse(readFileSync("src/shared/techniques.json", "utf8")) as TechniqueRow[];

describe("the table of techniques", () => {
  it("has each row once, with a title, a family and what it is", () => {
    assert.equal(rows.length, 447);
    assert.equal(new Set(rows.map((row) => row.id)).size, 447);
    for (const row of rows)
      assert.ok(row.title !== "" && row.family !== "" && row.what !== "", row.id);
    assert.equal(rows.filter((row) => row.coverage === "reference").length, 102);
  });

  it("has the rows of the table it came from, in its order", (t) => {
    const source = "../shared/TECHNIQUES.md";
    if (!existsSync(source)) return t.skip("the source table is not in this checkout");
    const ids = readFileSync(source, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("| ") && line.split("|").length === 13)
      .map((line) => line.split("|")[1]!.trim())
      .filter((id) => id !== "id" && !id.startsWith("---"));
    assert.deepEqual(
      rows.map((row) => row.id),
      ids,
    );
  });
});

describe("the state of a row", () => {
  const row = (id: string, coverage: TechniqueRow["coverage"], how = ""): TechniqueRow => ({
    id,
    coverage,
    how,
    title: id,
    family: "f",
    what: "w",
  });
  const table = [
    row("int4", "apply", "blocks"),
    row("gptq", "apply"),
    row("kurtosis", "analyze", "a test"),
    row("outlier", "analyze"),
    row("cost", "estimate"),
    row("nccl", "reference", "multi-GPU"),
  ];

  it("is what a technique that covers it does, and only for rows of its kind", () => {
    const states = techniqueStates(
      table,
      [
        { id: "quantize.weightOnly", covers: ["int4", "kurtosis", "nccl"] },
        { id: "quantize.other", covers: ["int4"] },
      ],
      [
        { id: "redundancy.outliers", covers: ["outlier", "gptq", "nccl"] },
        { id: "cost.model", covers: ["cost"] },
      ],
    );
    assert.deepEqual(
      states.map(({ id, row, state, technique, why }) => [id, row, state, technique, why]),
      [
        ["int4", "int4", "apply", "quantize.weightOnly, quantize.other", null],
        ["gptq", "gptq", "not-yet", null, "not built yet, would rewrite the model"],
        ["kurtosis", "kurtosis", "not-yet", null, "not built yet, would be a report: a test"],
        ["outlier", "outlier", "analyze", "redundancy.outliers", null],
        ["cost", "cost", "estimate", "cost.model", null],
        ["nccl", "nccl", "reference", null, "documentation only: multi-GPU"],
      ],
    );
  });
});
