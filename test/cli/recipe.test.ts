import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { paramsText, readRecipe, wantedEntries } from "../../src/cli/recipe.ts";
import { LatheError } from "../../src/shared/errors.ts";
import { choice, flag, number } from "../../src/shared/params.ts";
import catalogJson from "../../src/shared/catalog.json" with { type: "json" };
import { presetsFor, simulatedText, TARGETS } from "../../src/shared/presets.ts";
import type { CatalogEntry } from "../../src/shared/protocol.ts";

const technique = (id: string, params: CatalogEntry["params"]): CatalogEntry => ({
  id,
  family: id.split(".")[0]!,
  title: id,
  summary: "",
  papers: [],
  formats: ["onnx"],
  ops: "any",
  data: "none",
  cost: "instant",
  exact: false,
  warnings: [],
  covers: [],
  version: 1,
  suffix: "x",
  needsRuntime: false,
  params,
});
const CATALOG = [
  technique("quantize.weightOnly", {
    bits: number({ default: 4, min: 2, max: 8, of: [2, 4, 8], title: "", help: "" }),
    form: choice({ of: ["nbits", "blocked"], default: "nbits", title: "", help: "" }),
    symmetric: flag({ default: false, title: "", help: "" }),
  }),
  technique("graph.clean", {}),
];

const typed = (id: string, ...pairs: string[]) => ({
  technique: id,
  params: pairs.map((pair) => pair.split("=") as [string, string]),
  scope: [],
});
const given = (
  entries: ReturnType<typeof typed>[],
  options: Readonly<Record<string, string>> = {},
): Parameters<typeof wantedEntries>[1] => ({ entries, text: (name) => options[name] ?? null });
const text = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof LatheError, String(error));
    return `${error.failure.code}: ${error.failure.message} ${error.failure.hint ?? ""}`;
  }
  return "no failure";
};

describe("presets", () => {
  it("name techniques and parameters that exist, for every runtime", () => {
    const catalog = catalogJson as unknown as readonly CatalogEntry[];
    for (const { id: target } of TARGETS)
      for (const { id } of presetsFor(target)) {
        const { entries } = wantedEntries(
          "apply",
          given([], { preset: id, target }),
          null,
          catalog,
        );
        assert.ok(entries.length > 0, `${id} for ${target}`);
      }
    assert.equal(presetsFor("onnxruntime")[0]?.id, "int8");
  });

  it("stand alone, and know which runtime they are for", () => {
    assert.match(
      text(() =>
        wantedEntries("apply", given([], { preset: "small", target: "web" }), null, CATALOG),
      ),
      /no preset "small" for web.*half, llm-4bit/,
    );
    assert.match(
      text(() =>
        wantedEntries("apply", given([typed("graph.clean")], { preset: "half" }), null, CATALOG),
      ),
      /Both --preset half and -t/,
    );
    assert.match(
      text(() => wantedEntries("apply", given([], { target: "web" }), null, CATALOG)),
      /--target is given without --preset/,
    );
  });
});

describe("typed entries", () => {
  it("get the schema's types and all defaults", () => {
    const { entries } = wantedEntries(
      "apply",
      given([typed("quantize.weightOnly", "bits=8", "symmetric=true"), typed("graph.clean")]),
      null,
      CATALOG,
    );
    assert.deepEqual(entries, [
      { transform: "quantize.weightOnly", params: { bits: 8, form: "nbits", symmetric: true } },
      { transform: "graph.clean", params: {} },
    ]);
    assert.equal(paramsText(entries[0]!.params), "bits=8 form=nbits symmetric=true");
  });

  it("are refused by name", () => {
    const wanted = (entry: ReturnType<typeof typed>) => () =>
      wantedEntries("plan", given([entry]), null, CATALOG);
    assert.equal(
      text(wanted(typed("quantise.weightonly"))),
      'param: There is no technique "quantise.weightonly". Did you mean "quantize.weightOnly"? Known: quantize.weightOnly, graph.clean.',
    );
    assert.equal(
      text(wanted(typed("quantize.weightOnly", "bit=4"))),
      'param: quantize.weightOnly has no parameter "bit". Did you mean "bits"? Known: bits, form, symmetric.',
    );
    assert.equal(
      text(wanted(typed("quantize.weightOnly", "bits=5"))),
      "param: quantize.weightOnly: bits is 5. It must be one of 2, 4, 8.",
    );
    assert.equal(
      text(wanted(typed("quantize.weightOnly", "symmetric=yes"))),
      'param: quantize.weightOnly: symmetric is "yes". It must be true or false.',
    );
    assert.equal(
      text(wanted(typed("graph.clean", "deep=1"))),
      'param: graph.clean has no parameter "deep". graph.clean takes no parameters.',
    );
    assert.match(
      text(() => wantedEntries("plan", given([]), null, CATALOG)),
      /^usage: `lathe plan` was not told/,
    );
    assert.match(
      text(() => wantedEntries("plan", given([typed("graph.clean")]), "r.lathe.json", CATALOG)),
      /^usage: Both the recipe r\.lathe\.json and -t are given\./,
    );
    assert.match(
      text(() => wantedEntries("plan", given([]), "absent.lathe.json", CATALOG)),
      /^engine: absent\.lathe\.json does not exist\./,
    );
  });
});

describe("recipe files", () => {
  const read = (value: unknown) => readRecipe("dir/r.lathe.json", JSON.stringify(value), CATALOG);

  it("give entries with defaults, scope, seed, and data beside the recipe", () => {
    const { entries, data } = read({
      version: 1,
      tool: "lathe 0.1.0",
      source: { sha256: "", sizeBytes: 1 },
      entries: [{ transform: "quantize.weightOnly", params: { bits: 2 }, scope: ["/a*"], seed: 3 }],
      data: "dataset.json",
    });
    assert.deepEqual(entries, [
      {
        transform: "quantize.weightOnly",
        params: { bits: 2, form: "nbits", symmetric: false },
        scope: ["/a*"],
        seed: 3,
      },
    ]);
    assert.match(data ?? "", /dir[\\/]dataset\.json$/);
  });

  it("may be empty: the model is copied", () => {
    const empty = { entries: [], data: null, target: null };
    assert.deepEqual(read({ version: 1, entries: [] }), empty);
  });

  it("say which runtime they are for, or a technique of theirs does", () => {
    assert.equal(read({ version: 1, entries: [], target: "coreml" }).target, "coreml");
    const catalog = catalogJson as unknown as readonly CatalogEntry[];
    const params = { target: "tensorrt" };
    const tensorrt = { version: 1, entries: [{ transform: "quantize.static", params }] };
    assert.equal(readRecipe("r", JSON.stringify(tensorrt), catalog).target, "tensorrt");
    const half = given([], { preset: "half", target: "web" });
    assert.equal(wantedEntries("apply", half, null, catalog).target, "web");
    assert.equal(simulatedText("onnxruntime"), null);
    assert.equal(simulatedText(null), null);
    assert.equal(
      simulatedText("coreml"),
      "made for Core ML: accuracy simulated, speed not measured",
    );
  });

  it("are refused with the entry and what is wrong with it", () => {
    const problems: readonly (readonly [unknown, RegExp])[] = [
      [[], /it is not a JSON object/],
      [{ version: 2, entries: [] }, /its version is 2, not 1/],
      [{ version: 1 }, /it has no list "entries"/],
      [{ version: 1, entries: [4] }, /entry 1 is not an object/],
      [{ version: 1, entries: [{}] }, /entry 1 has no "transform"/],
      [{ version: 1, entries: [{ transform: "graph.clean", params: 3 }] }, /the params of entry 1/],
      [{ version: 1, entries: [{ transform: "graph.clean", scope: "x" }] }, /the scope of entry 1/],
      [{ version: 1, entries: [{ transform: "graph.clean", seed: 0.5 }] }, /the seed of entry 1/],
      [{ version: 1, entries: [{ transform: "graph.cleen" }] }, /Did you mean "graph\.clean"/],
      [{ version: 1, entries: [], data: 4 }, /"data" is not a path/],
      [
        { version: 1, entries: [], target: "abacus" },
        /its target is "abacus", none of onnxruntime/,
      ],
    ];
    for (const [value, expected] of problems)
      assert.match(
        text(() => read(value)),
        expected,
      );
    assert.match(
      text(() => readRecipe("r.lathe.json", "{", CATALOG)),
      /it is not JSON/,
    );
  });
});
