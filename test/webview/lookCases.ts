/** Every page in three themes, and once in a narrow column: accessible, nothing clipped, and a picture to look at. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { htmlReport, type HtmlReport } from "../../src/shared/htmlReport.ts";
import { optimized } from "./page/fakeModel.ts";
import { goTo, type Cases } from "./cases.ts";
import type { Lab } from "./pages.ts";
import type { Theme } from "./themes.ts";

const NARROW = 400;

async function look(lab: Lab, page: Page, name: string): Promise<void> {
  await lab.screenshot(page, name);
  // What axe finds depends on theme and structure, which are the same at every width.
  if (!name.endsWith(`-${NARROW}`))
    assert.deepEqual(await lab.axe(page), [], `${name}: accessibility`);
  const wide: unknown = await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  assert.equal(wide, 0, `${name} is wider than its window`);
}

async function lookAtEditor(lab: Lab, theme: Theme, width: number): Promise<void> {
  const at = `${theme}-${width}`;
  const page = await lab.open({ theme, width, scenario: "changed" });
  await page.getByTestId("recipe").getByText("smaller").waitFor();
  await look(lab, page, `summary-${at}`);
  await goTo(page, "Tensors");
  await page.getByRole("row", { name: /^embeddings/ }).click();
  await page.getByTestId("stats").waitFor();
  await look(lab, page, `tensors-${at}`);
  await goTo(page, "Optimize");
  await page.getByRole("button", { name: "Weight-only quantization" }).click();
  await page.getByTestId("units").waitFor();
  await look(lab, page, `optimize-${at}`);
  await page.getByTestId("run").click();
  await page.getByTestId("result").waitFor();
  await page.getByTestId("result").scrollIntoViewIfNeeded();
  await look(lab, page, `result-${at}`);
  await page.locator("[data-param=minimum] input").fill("-5");
  await page.getByTestId("skips").last().scrollIntoViewIfNeeded();
  await look(lab, page, `plan-${at}`);
  await goTo(page, "Diff");
  await page.getByRole("button", { name: "Choose data…" }).click();
  await page.getByTestId("data").getByText("dataset.json").waitFor();
  await page.getByTestId("measure").click();
  await page.getByTestId("accuracy").waitFor();
  await look(lab, page, `diff-${at}`);
  await page.context().close();
}

const sides = { path: "a.onnx", p50Ms: 8.4, p90Ms: 9.2, runs: 60 };
const accuracy = (
  value: number,
): NonNullable<NonNullable<HtmlReport["measures"]>["accuracy"]>["after"] => ({
  metric: "perplexity",
  value,
  low: value - 0.1,
  high: value + 0.11,
  n: 20_000,
  better: "lower",
  synthetic: false,
  data: "examples/tokens/dataset.json",
  also: {},
  notes: [],
});
const report: HtmlReport = {
  title: "tokens.int4.onnx",
  tool: "Lathe 0.1.0",
  before: { path: "examples/tokens/tokens.onnx", sizeBytes: 2_400_000 },
  after: { path: "examples/tokens/tokens.int4.onnx", sizeBytes: 640_000 },
  entries: [
    {
      entry: { transform: "quantize.weightOnly", params: { bits: 4, block: 32 } },
      units: [
        {
          name: "blocks.0.mlp.fc1.weight",
          op: "MatMul",
          detail: "[128, 512] float32 → 4 bit, block 32",
          sizeBefore: 262_144,
          sizeAfter: { min: 40_960, max: 40_960 },
        },
      ],
      skipped: [{ name: "norm.weight", reason: "not a matrix product's weight" }],
      notes: ["Only 8 calibration samples: what is measured fits them and may fit little else."],
      bytesBefore: 2_390_000,
      bytesAfter: 630_000,
      verified: true,
    },
  ],
  verified: true,
  techniqueTitles: { "quantize.weightOnly": "Weight-only quantization" },
  structure: {
    graph: {
      matched: 80,
      groups: [
        { kind: "replaced", before: "MatMul", after: "MatMulNBits", count: 12, names: ["fc1"] },
        {
          kind: "absorbed",
          before: "Conv + BatchNormalization",
          after: "Conv",
          count: 1,
          names: ["stem"],
        },
      ],
      constants: { added: 0, removed: 3 },
      added: [{ name: "fc1_Q4", op: "MatMulNBits" }],
      removed: [{ name: "fc1", op: "MatMul" }],
      changed: [],
    },
    tensors: [],
    size: { before: 2_400_000, after: 640_000 },
  },
  tensors: Array.from({ length: 230 }, (_, i) => ({
    name: `blocks.${i}.mlp.fc1.weight`,
    status: "replaced",
    sqnrDb: 18 + ((i * 7) % 30) / 10,
    bytesBefore: 262_144,
    bytesAfter: 40_960,
    detail: "float32 → uint8 codes",
  })),
  measures: {
    outputs: [
      {
        name: "logits",
        sqnrDb: 22.1,
        maxAbs: 0.41,
        cosine: 0.9969,
        agreement: 0.971,
        mse: 0.0123,
        kl: 0.0041,
      },
    ],
    accuracy: {
      before: accuracy(4.21),
      after: accuracy(4.29),
      drop: 0.019,
      dropLow: 0.016,
      dropHigh: 0.022,
      dropUnit: "relative",
      units: 400,
      mcnemar: null,
      kl: 0.0041,
      agreement: 0.971,
    },
    activations: {
      rows: [
        {
          name: "/embed/Gather_output_0",
          node: "/embed/Gather",
          op: "Gather",
          sqnrDb: 31.2,
          inputDb: 300,
          cosine: 0.9997,
          maxAbs: 0.02,
          mse: 0.0001,
        },
      ],
      samples: 32,
      data: "data.json",
      notCompared: 4,
      inSubgraphs: 0,
    },
    latency: {
      models: [sides, { ...sides, path: "b.onnx" }],
      ratio: 0.99,
      ratioLow: 0.95,
      ratioHigh: 1.04,
      threads: 2,
    },
    notes: ["Measured on the report split."],
  },
};

export const lookCases: Cases = {
  ...Object.fromEntries(
    (["dark", "light", "high-contrast"] as const).map((theme) => [
      `the editor in ${theme}`,
      (lab: Lab) => lookAtEditor(lab, theme, 1100),
    ]),
  ),
  // The layout is the same in every theme.
  "the editor in a narrow column": (lab) => lookAtEditor(lab, "dark", NARROW),

  "the inspector shows a node, a tensor, or what to do": async (lab) => {
    for (const theme of ["dark", "light", "high-contrast"] as const) {
      const node = await lab.open({ view: "inspector", scenario: "node", theme, width: 300 });
      await node.getByText("block_size").waitFor();
      await node.getByText("Changed by this document's recipe:").waitFor();
      await look(lab, node, `inspector-node-${theme}`);
      const tensor = await lab.open({ view: "inspector", scenario: "tensor", theme, width: 420 });
      await tensor.getByTestId("stats").waitFor();
      await tensor.getByText("[256, 1024]").waitFor();
      await look(lab, tensor, `inspector-tensor-${theme}`);
    }
    const empty = await lab.open({ view: "inspector", width: 300 });
    await empty.getByText("Nothing selected.").waitFor();
    await empty.evaluate(
      "fakeHost.emit({ selection: { kind: 'tensor', graph: '[]', name: 'gone' } })",
    );
    await empty.getByText("not in the document any more").waitFor();
  },

  "the report opens from a file and shows every figure with its evidence": async (lab) => {
    for (const theme of ["light", "dark"] as const) {
      const page = await lab.openHtml(
        htmlReport({ ...report, search: optimized(true) }, lab.webview),
        theme,
      );
      await page.getByRole("heading", { name: "tokens.int4.onnx" }).waitFor();
      const text = await page.locator("lathe-report main").innerText();
      for (const part of [
        "73.3 % smaller",
        "4.2900",
        "4.1900 … 4.4000",
        "examples/tokens/dataset.json, n = 20,000",
        "0.990×",
        "no clear difference",
        "Weight-only quantization",
        "1 layer touched",
        "1 skipped, by reason",
        "The result was verified by running it.",
        "Show 30 more",
        "14 configurations were considered",
        "All 14 as a table",
      ])
        assert.ok(text.includes(part), `${part} in the report`);
      await look(lab, page, `report-${theme}`);
      await page.getByRole("button", { name: "Show 30 more" }).click();
      assert.equal(await page.getByTestId("tensors").getByRole("row").count(), 231);
    }
  },
};
