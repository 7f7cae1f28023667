/** The Analysis page, the graph coloured by a report, the inspector's figures and actions. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { engineChildren, holdNextJob } from "./processes.mjs";

const LAYERWISE = "sensitivity.layerwise";
/** A cancelled job leaves its caller free within a second; the rest is the page's. */
const CANCEL_MS = 1500;

/** Chooses the workspace's dataset.json in the list that a page's button opens. */
async function chooseDataset(window) {
  await window.quickInput.getByText("dataset.json", { exact: true }).first().waitFor();
  await window.pick(/^\s*dataset\.json/);
}

export const analysisFlows = [
  {
    name: "analysis: everything without data, then a report's details",
    async run({ window }) {
      const editor = await window.open("analysis.onnx");
      await window.showPage(editor, "analysis");
      await window.screenshot("analysis-empty");
      await editor.getByTestId("overview").click();
      await editor.getByTestId("overview-report").first().waitFor();
      await sleep(300);
      await window.screenshot("analysis-overview");
      await editor
        .getByTestId("overview-report")
        .first()
        .getByRole("button", { name: "Details" })
        .click();
      await editor.getByTestId("report").waitFor();
      await window.screenshot("analysis-report");
    },
  },
  {
    name: "analysis: an analyzer that needs data asks for it, is cancelled within a second, runs",
    async run({ window, server }) {
      const editor = await window.open("analysis.onnx");
      const page = await window.showPage(editor, "analysis");
      await page.locator(`[data-technique="${LAYERWISE}"]`).click();
      await page.getByText("This analyzer needs data.").waitFor();
      await page.getByRole("button", { name: "Choose data…" }).click();
      await chooseDataset(window);
      const run = page.locator("vscode-button[data-testid=analyze]:not([disabled])");
      const held = holdNextJob(server.pid);
      await run.click();
      await held;
      await page.getByTestId("job").waitFor();
      await window.screenshot("analysis-running");
      const cancelled = Date.now();
      await page.getByTestId("job").getByRole("button", { name: "Cancel" }).click();
      await run.waitFor();
      assert.ok(Date.now() - cancelled < CANCEL_MS, `${Date.now() - cancelled} ms`);
      assert.equal(await page.getByTestId("report").count(), 0);
      await sleep(200);
      assert.deepEqual(engineChildren(server.pid, "job"), []);

      await run.click();
      await page.getByTestId("report-table").first().waitFor();
      await window.screenshot("analysis-layerwise");
    },
  },
  {
    name: "analysis: two runs make a heat map; the graph is coloured by a figure; a layer is inspected",
    async run({ window }) {
      const editor = await window.open("analysis.onnx");
      const page = await window.showPage(editor, "analysis");
      await page.locator(`[data-technique="${LAYERWISE}"]`).click();
      const run = page.locator("vscode-button[data-testid=analyze]:not([disabled])");
      // Chosen by the flow before, unless this one is run alone.
      const choose = page.getByRole("button", { name: "Choose data…" });
      await run.or(choose).first().waitFor();
      if (await choose.isVisible()) {
        await choose.click();
        await chooseDataset(window);
      }
      const candidate = page.getByRole("textbox", { name: "Technique" });
      await candidate.fill("prune.magnitude sparsity=0.5");
      await run.click();
      const table = page.getByTestId("report-table").first();
      await table.waitFor();
      await candidate.fill("prune.magnitude sparsity=0.9");
      await run.click();
      await page.getByTestId("heat-map").waitFor();
      await page.getByTestId("heat-map").scrollIntoViewIfNeeded();
      await sleep(300);
      await window.screenshot("analysis-heat");

      await window.titleButton("Show Model Inspector");
      const inspector = await window.inspector();
      await table.scrollIntoViewIfNeeded();
      const row = table.getByRole("row").nth(1);
      const layer = (await row.locator("[role=cell], [role=gridcell]").first().innerText()).trim();
      await row.click();
      await inspector
        .getByTestId("figures")
        .getByText("Sensitivity of each layer")
        .first()
        .waitFor();
      await sleep(300);
      await window.screenshot("analysis-inspector");

      await page.getByTestId("show-in-graph").scrollIntoViewIfNeeded();
      await page.getByTestId("show-in-graph").click();
      const graph = editor.locator("lathe-graph");
      await graph.locator("lathe-graph-canvas [role=tree]").waitFor();
      await graph.getByTestId("legend").waitFor();
      await sleep(500);
      await window.screenshot("analysis-graph");

      const action = inspector
        .getByTestId("actions")
        .getByRole("button", { name: "Quantize weights and activations" });
      await action.focus();
      await window.page.keyboard.press("Enter");
      await editor
        .getByTestId("units")
        .getByText(/^1 of \d+ units? chosen/)
        .waitFor();
      await sleep(300);
      await window.screenshot("analysis-technique");
      assert.ok(layer.length > 0);
      await window.palette("View: Hide Panel");
    },
  },
];
