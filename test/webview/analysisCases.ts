import assert from "node:assert/strict";
import { calls, goTo, until, type Cases } from "./cases.ts";

export const analysisCases: Cases = {
  "everything that needs no data is analyzed at once, and each report has its details": async (
    lab,
  ) => {
    const page = await lab.open();
    await goTo(page, "Analysis");
    await page.getByTestId("overview").click();
    const reports = page.getByTestId("overview-report");
    await reports.first().waitFor();
    assert.equal(await reports.count(), 2);
    const call = (await calls(page)).find(({ method }) => method === "analyze");
    assert.deepEqual(
      (call?.params["calls"] as { id: string }[]).map(({ id }) => id),
      ["redundancy.spectrum", "cost.model"],
    );
    await lab.screenshot(page, "analysis-overview");
    await reports.first().getByRole("button", { name: "Details" }).click();
    await page.getByTestId("report").getByText("is the most sensitive").waitFor();
    assert.equal(await page.getByTestId("series").count(), 4);
    await page.getByTestId("show-in-graph").click();
    await page.locator("lathe-graph").waitFor();
    await page.getByTestId("legend").waitFor();
    await goTo(page, "Analysis");
    await lab.screenshot(page, "analysis-report");
    assert.deepEqual(await lab.axe(page), []);
    // A technique that a finding names is one click away.
    const finding = page.getByTestId("report").getByRole("listitem").nth(1);
    await finding.getByRole("button", { name: "Weight-only quantization" }).click();
    await page
      .locator("lathe-optimize")
      .getByRole("heading", { name: "Weight-only quantization" })
      .waitFor();
  },

  "an analyzer that needs data says so, and runs side by side make a heat map": async (lab) => {
    const page = await lab.open({ width: 900 });
    await goTo(page, "Analysis");
    await page.getByRole("button", { name: "Layers one at a time" }).click();
    await page.getByText("This analyzer needs data.").waitFor();
    await page.getByRole("button", { name: "Choose data…" }).click();
    await page.getByTestId("analyze").click();
    const table = page.getByTestId("report-table").first();
    await table.waitFor();
    assert.equal(await page.getByTestId("heat-map").count(), 0);
    await page.getByRole("combobox", { name: "Bits" }).click();
    await page.getByRole("option", { name: "8" }).click();
    await page.getByTestId("analyze").click();
    await page.getByTestId("heat-map").waitFor();
    await page.getByText("Heat map: layers × 2 runs").waitFor();
    await lab.screenshot(page, "analysis-heat");
    assert.deepEqual(await lab.axe(page), []);
    // Sorted by KL, the last layer comes first; a missing figure goes last.
    await table.getByRole("button", { name: "KL" }).click();
    await table.getByRole("button", { name: "KL" }).click();
    await until("the worst layer is first", async () =>
      (await table.getByRole("row").nth(1).innerText()).includes("layer.28/"),
    );
    await table.getByRole("row").nth(1).click();
    await until("it is looked up", async () =>
      (await calls(page)).some(
        ({ method, params }) =>
          method === "nodes" && params["filter"] === "/encoder/layer.28/output/dense/MatMul",
      ),
    );
  },

  "an analysis is cancelled, and reports go when the model changes": async (lab) => {
    const page = await lab.open({ query: "&step=200" });
    await goTo(page, "Analysis");
    await page.getByTestId("overview").click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByTestId("overview").waitFor();
    assert.equal(await page.getByTestId("overview-report").count(), 0);
    await page.getByTestId("overview").click();
    await page.getByTestId("overview-report").first().waitFor({ timeout: 10_000 });
    await page.evaluate(
      `fakeHost.emit({ doc: { ...fakeHost.state().doc, recipe: [{ transform: "x.y", params: {} }] } })`,
    );
    await until(
      "the reports are gone",
      async () => (await page.getByTestId("overview-report").count()) === 0,
    );
  },

  "the inspector tells what a node does, what reports say of it and what can be done": async (
    lab,
  ) => {
    const page = await lab.open({ view: "inspector", scenario: "plainNode", width: 360 });
    await page.getByText("Matrix product over the last two axes").waitFor();
    const figures = page.getByTestId("figures");
    await figures.getByText("Layers one at a time").waitFor();
    assert.match(await figures.innerText(), /KL\s+0\.0001600\s+SQNR\s+44\.0 dB/);
    assert.equal(await figures.getByTestId("series").count(), 1);
    assert.deepEqual(await lab.axe(page), []);
    await lab.screenshot(page, "inspector-figures");
    await page
      .getByTestId("actions")
      .getByRole("button", { name: "Weight-only quantization…" })
      .click();
    await until("the editor is asked to show it", async () =>
      (await calls(page)).some(
        ({ method, params }) =>
          method === "openTechnique" &&
          params["technique"] === "quantize.weightOnly" &&
          (params["only"] as string[]).includes("/encoder/layer.3/intermediate/dense/MatMul"),
      ),
    );
  },

  "a technique opened for one layer leaves all others out": async (lab) => {
    const page = await lab.open();
    await page.getByTestId("facts").waitFor();
    await page.evaluate(
      `fakeHost.emit({ show: { page: "optimize", technique: "quantize.weightOnly", compareWith: null,
        only: ["encoder.layer.3.intermediate.dense.weight"] } })`,
    );
    await page.getByTestId("units").getByText("1 of 117 units chosen").waitFor();
    await page
      .getByText("Only encoder.layer.3.intermediate.dense.weight; 116 others are left out.")
      .waitFor();
  },
};
