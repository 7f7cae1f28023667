import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { calls, goTo, until, type Cases } from "./cases.ts";

const run = (page: Page) => page.getByTestId("run");
const choose = async (page: Page, title: string): Promise<void> => {
  await goTo(page, "Optimize");
  await page.getByRole("button", { name: title }).click();
};
const lastPlan = async (page: Page): Promise<Readonly<Record<string, unknown>>> => {
  const call = (await calls(page)).filter(({ method }) => method === "plan").at(-1);
  return (call?.params["entry"] as { params: Record<string, unknown> }).params;
};

export const optimizeCases: Cases = {
  "techniques are grouped by family and say what they do not give": async (lab) => {
    const page = await lab.open();
    await goTo(page, "Optimize");
    await page.getByRole("heading", { name: "Let Lathe choose" }).waitFor();
    const nav = page.getByRole("navigation", { name: "Techniques" });
    assert.deepEqual(await nav.getByRole("heading").allInnerTexts(), ["Quantize", "Clean up"]);
    await choose(page, "Weight-only quantization");
    await page.getByText("No speed-up for long inputs on CPU").waitFor();
    await page.getByText("no data needed").waitFor();
  },

  "a model of weights alone is offered only what applies to it": async (lab) => {
    const page = await lab.open({ scenario: "safetensors" });
    await goTo(page, "Optimize");
    const nav = page.getByRole("navigation", { name: "Techniques" });
    assert.deepEqual(await nav.getByRole("button").allInnerTexts(), ["Weight-only quantization"]);
    // Nothing can be run, so the advisor has nothing to judge by: a technique comes first.
    await page.getByRole("heading", { name: "Weight-only quantization" }).waitFor();
    await page.getByTestId("units").waitFor();
    assert.equal(await page.getByTestId("advisor").count(), 0);
    await page.getByTestId("no-advisor").getByText("holds weights only").waitFor();
    await goTo(page, "Data");
    await page.getByTestId("no-use").getByText("no data is needed").waitFor();
    assert.equal(await page.getByTestId("dataset-form").count(), 0);
  },

  "the plan shows units, totals and skips by reason, and follows the form": async (lab) => {
    const page = await lab.open();
    await choose(page, "Weight-only quantization");
    await page.getByTestId("units").getByText("117 units").waitFor();
    const four = await page.getByTestId("ratio").innerText();
    const skips = page.getByTestId("skips");
    assert.match(await skips.innerText(), /30 skipped, by reason\s+29 not a matrix product/);
    await skips.getByText("not a matrix product").click();
    await skips.getByText("encoder.layer.0.output.LayerNorm.weight").waitFor();
    await page.getByRole("combobox", { name: "Bits" }).click();
    await page.getByRole("option", { name: "8" }).click();
    await until("a plan with 8 bits", async () => (await lastPlan(page))["bits"] === 8);
    await until(
      "the ratio follows",
      async () => (await page.getByTestId("ratio").innerText()) !== four,
    );
    await page.getByRole("button", { name: "Reset to defaults" }).click();
    await until("a plan with 4 bits", async () => (await lastPlan(page))["bits"] === 4);
  },

  "a wrong value is explained at its field and cannot be run": async (lab) => {
    const page = await lab.open();
    await choose(page, "Weight-only quantization");
    await page.getByTestId("units").waitFor();
    const field = page.locator("[data-param=minimum]");
    await field.locator("input").fill("12.5");
    await field.getByText("It must be a whole number from 0 to 1000000.").waitFor();
    assert.equal(await run(page).getAttribute("disabled"), "");
    await field.locator("input").fill("20");
    await field.getByRole("alert").waitFor({ state: "detached" });
    await until("it can be run", async () => (await run(page).getAttribute("disabled")) === null);
    // What was typed is still there when the tab comes back.
    await page.reload();
    await page.getByTestId("units").waitFor();
    assert.equal(await field.locator("input").inputValue(), "20");
  },

  "single units can be left out": async (lab) => {
    const page = await lab.open();
    await choose(page, "Weight-only quantization");
    const before = await page.getByTestId("ratio").innerText();
    const box = page.getByRole("checkbox", { name: "Include encoder.layer.0.output.dense.weight" });
    await box.uncheck();
    await page.getByTestId("units").getByText("116 of 117 units chosen").waitFor();
    assert.notEqual(await page.getByTestId("ratio").innerText(), before);
    await run(page).click();
    await page.getByTestId("result").waitFor();
    const call = (await calls(page)).find(({ method }) => method === "run");
    const { scope } = call?.params["entry"] as { scope: readonly string[] };
    assert.equal(scope.length, 116);
    assert.ok(!scope.includes("encoder.layer.0.output.dense.weight"));
  },

  "a run shows its progress, then what it did, then the difference": async (lab) => {
    const page = await lab.open();
    await choose(page, "Weight-only quantization");
    await page.getByTestId("units").waitFor();
    await run(page).click();
    const job = page.getByTestId("job");
    await job.getByText(/layer \d+ of 29/).waitFor();
    await job.waitFor({ state: "detached" });
    const result = page.getByTestId("result");
    await result.getByText("99.9 MB → 22.7 MB of tensors, 77.3 % smaller.").waitFor();
    await result.getByText("Verified: the result was loaded and run once.").waitFor();
    await result.getByText("3 skipped, by reason").waitFor();
    const entry = (await calls(page)).find(({ method }) => method === "run")?.params["entry"];
    assert.ok(!Object.hasOwn(entry as object, "scope"), "everything needs no scope");
    await page.getByRole("button", { name: "Show diff" }).click();
    await page.getByTestId("sides").getByText("File as opened → This document now").waitFor();
    // After undo the result no longer holds.
    await page.evaluate("fakeHost.emit({ doc: { ...fakeHost.state().doc, recipe: [] } })");
    await goTo(page, "Optimize");
    await result.waitFor({ state: "detached" });
  },

  "cancel in the middle leaves everything as it was": async (lab) => {
    const page = await lab.open({ query: "&step=200" });
    await choose(page, "Weight-only quantization");
    await page.getByTestId("units").waitFor();
    await run(page).click();
    await page.getByTestId("job").getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Nothing was applied.").waitFor();
    assert.equal(await page.getByTestId("result").count(), 0);
    assert.equal(await run(page).getAttribute("disabled"), null);
  },

  "a failed run says why and can be tried again": async (lab) => {
    const page = await lab.open({ scenario: "failing" });
    await page.getByRole("button", { name: "Retry" }).click();
    await choose(page, "Weight-only quantization");
    await page.getByTestId("failure").getByText("during plan").waitFor();
    await page.getByRole("button", { name: "Retry" }).locator("visible=true").click();
    await page.getByTestId("units").waitFor();
    await run(page).click();
    await page.getByTestId("failure").getByText("during run").waitFor();
    await page.getByRole("button", { name: "Retry" }).locator("visible=true").click();
    await page.getByTestId("result").waitFor();
  },

  "what cannot be run says why": async (lab) => {
    const untrusted = await lab.open({ scenario: "readonly" });
    await choose(untrusted, "Weight-only quantization");
    await untrusted.getByTestId("why-not").getByText("is not trusted").waitFor();
    await untrusted.getByTestId("units").waitFor();
    assert.equal(await run(untrusted).getAttribute("disabled"), "");
    const page = await lab.open();
    await choose(page, "Static quantization (QDQ)");
    await page.getByTestId("why-not").getByText("needs calibration data").waitFor();
    await page.getByRole("button", { name: "Choose data…" }).click();
    await page.getByTestId("why-not").waitFor({ state: "detached" });
    await choose(page, "Clean up the graph");
    await page.getByTestId("refused").waitFor();
    await page.getByTestId("skips").getByText("its branches read values").waitFor();
    await page.getByTestId("why-not").getByText("Nothing to do").waitFor();
    // There is data now, so nothing is lost without any.
    assert.equal(await page.getByText("Without data constants").count(), 0);
    await page.evaluate("fakeHost.emit({ doc: { ...fakeHost.state().doc, data: undefined } })");
    await page.getByText("Without data constants are not compared.").waitFor();
    await page.locator(".note").getByRole("button", { name: "Weight-only quantization" }).click();
    await page.getByRole("heading", { name: "Weight-only quantization" }).waitFor();
  },

  "a command of the host opens the page with its technique": async (lab) => {
    const page = await lab.open();
    await page.getByTestId("facts").waitFor();
    await page.evaluate(
      "fakeHost.emit({ show: { page: 'optimize', technique: 'graph.clean', compareWith: null } })",
    );
    await page.getByRole("heading", { name: "Clean up the graph" }).waitFor();
  },

  "Lathe chooses: a goal, the answer with reasons and a scatter, applied as one edit": async (
    lab,
  ) => {
    const page = await lab.open();
    await goTo(page, "Optimize");
    await page.getByText("Optimizing needs data").waitFor();
    await page.getByRole("button", { name: "Choose data…" }).click();
    const drop = page.getByRole("textbox", { name: "Largest drop" });
    await drop.fill("200");
    await page.getByText("A number from 0 to 100.").waitFor();
    await drop.fill("1");
    await page.getByTestId("optimize").click();
    const advice = page.getByTestId("advice");
    await advice.waitFor();
    assert.match(
      await advice.innerText(),
      /Top-1 accuracy\s+91\.30 % → 90\.90 %, drop 0\.40 points/,
    );
    const scatter = page.getByRole("img", {
      name: /^11 configurations by size|^14 configurations/,
    });
    assert.match((await scatter.getAttribute("aria-label")) ?? "", /Chosen: 4 bit weights/);
    await lab.screenshot(page, "advice");
    assert.deepEqual(await lab.axe(page), []);
    await page.getByText("All 14 as a table").click();
    await page.getByText("The smallest whose drop is shown").waitFor();
    await page.getByTestId("apply-advice").click();
    await page.getByText("Applied: Undo takes it back").waitFor();
    const call = (await calls(page)).find(({ method }) => method === "runAll");
    assert.equal((call?.params["entries"] as unknown[]).length, 1);
  },

  "when nothing safe is found it says so, and a search can be cancelled": async (lab) => {
    const page = await lab.open({ query: "&step=60", theme: "light", width: 520 });
    await goTo(page, "Optimize");
    await page.getByRole("button", { name: "Choose data…" }).click();
    await page.getByRole("textbox", { name: "Largest drop" }).fill("0");
    await page.getByTestId("optimize").click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByTestId("optimize").waitFor();
    assert.equal(await page.getByTestId("advice").count(), 0);
    await page.getByTestId("optimize").click();
    await page.getByText("Nothing safe was found").waitFor();
    assert.equal(await page.getByTestId("apply-advice").count(), 0);
    await lab.screenshot(page, "advice-none");
    assert.deepEqual(await lab.axe(page), []);
  },
};
