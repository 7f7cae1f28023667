import assert from "node:assert/strict";
import { calls, goTo, until, type Cases } from "./cases.ts";

export const diffCases: Cases = {
  "without a change the page says what it is for": async (lab) => {
    const page = await lab.open();
    await goTo(page, "Diff");
    const empty = page.getByTestId("empty");
    await empty.getByText("Nothing has changed yet").waitFor();
    await empty.getByRole("button", { name: "Choose a technique" }).click();
    await page.getByRole("navigation", { name: "Techniques" }).waitFor();
    assert.ok(!(await calls(page)).some(({ method }) => method === "diffStructure"));
  },

  "a change shows sizes, graph and tensors at once": async (lab) => {
    const page = await lab.open({ scenario: "changed" });
    await goTo(page, "Diff");
    await page.getByTestId("ratio").locator("visible=true").getByText("0.227×").waitFor();
    const graph = page.getByTestId("graph-diff");
    assert.match(
      await graph.innerText(),
      /665 nodes unchanged[^]*29 nodes added[^]*1 node changed/,
    );
    assert.match(
      await graph.innerText(),
      /1 ×\s+Gemm → DequantizeLinear \+ Gemm\s+taken in[^]*12 Constant nodes removed/,
    );
    await graph.getByText("1 node changed").click();
    await graph.getByText("pooler.dense.weight_dequantized").waitFor();
    const rows = page.getByTestId("tensor-diff").getByRole("row");
    assert.match(await rows.nth(1).innerText(), /replaced\s+1\.05 MB\s+164 kB/);
  },

  "measuring adds SQNR, outputs and speed, and says that there is no data": async (lab) => {
    const page = await lab.open({ scenario: "changed" });
    await goTo(page, "Diff");
    await page.getByTestId("data").getByText("seeded synthetic inputs").waitFor();
    await page.getByTestId("measure").click();
    await page.getByTestId("job").getByText("Measuring").waitFor();
    await page.getByTestId("latency").getByText("0.629×").waitFor();
    await page.getByTestId("latency").getByText("faster").waitFor();
    await page.getByTestId("outputs").getByText("27.4 dB").waitFor();
    assert.equal(await page.getByTestId("accuracy").count(), 0);
    await page.getByTestId("notes").getByText("accuracy needs data").waitFor();
    const table = page.getByTestId("tensor-diff");
    const sqnr = table.getByRole("columnheader", { name: "SQNR" });
    await sqnr.getByRole("button").click();
    assert.equal(await sqnr.getAttribute("aria-sort"), "ascending");
    assert.match(await table.getByRole("row").nth(1).innerText(), /18\.0 dB/);
  },

  "with data the accuracy has its interval and names the data": async (lab) => {
    const page = await lab.open({ scenario: "changed" });
    await goTo(page, "Diff");
    await page.getByRole("button", { name: "Choose data…" }).click();
    await page.getByTestId("data").getByText("data/reviews/dataset.json").waitFor();
    await page.getByText("Also compare speed").click();
    await page.getByTestId("measure").click();
    const accuracy = page.getByTestId("accuracy");
    await accuracy.getByText("90.85 %").waitFor();
    assert.match(await accuracy.innerText(), /89\.65 % … 91\.95 %/);
    assert.match(await accuracy.innerText(), /data\/reviews\/dataset\.json, n = 2,000/);
    const paired = await page.getByTestId("paired").innerText();
    assert.match(paired, /0\.45 points\s+\(95 % interval: −0\.10 to 1\.00 points\)/);
    assert.match(paired, /no difference shown[^]*20 lost, 11 won, McNemar p = 0\.15/);
    assert.match(paired, /KL 0\.00312 nats, same top class 98\.65 %/);
    assert.equal(await page.getByTestId("latency").count(), 0);
    // Figures belong to the states they were measured on.
    await page.evaluate(
      "fakeHost.emit({ doc: { ...fakeHost.state().doc, recipe: [...fakeHost.state().doc.recipe, ...fakeHost.state().doc.recipe] } })",
    );
    await accuracy.waitFor({ state: "detached" });
  },

  "every layer is compared when asked, and says where the error starts and grows": async (lab) => {
    const page = await lab.open({ scenario: "changed" });
    await goTo(page, "Diff");
    await page.getByText("Also compare every layer").click();
    await page.getByTestId("measure").click();
    const section = page.getByTestId("activations");
    await section.getByText("1 value as near as what made them").waitFor();
    const rows = section.getByRole("row");
    assert.equal(await rows.count(), 3);
    assert.match(await rows.nth(1).innerText(), /MatMul → MatMulNBits[^]*starts here[^]*24\.9 dB/);
    assert.match(await rows.nth(2).innerText(), /grows here[^]*24\.9 dB[^]*20\.1 dB/);
  },

  "beside another version of the file it says what changed, and opens the comparison": async (
    lab,
  ) => {
    const page = await lab.open({ scenario: "versions" });
    const bar = page.getByTestId("counterpart");
    await bar.getByText("Since sentence-encoder-29.onnx (HEAD):").waitFor();
    await bar.getByText(/\d+ tensors and 59 nodes differ, .* → .*\(0\.\d+×\)\./).waitFor();
    await page.getByTestId("open-compare").click();
    await until("the host was asked", async () =>
      (await calls(page)).some(({ method }) => method === "openCompare"),
    );
  },

  "another model can be compared with, either way round": async (lab) => {
    const page = await lab.open();
    await goTo(page, "Diff");
    await page.getByRole("button", { name: "Compare with…" }).click();
    const sides = page.getByTestId("sides");
    await sides.getByText("sentence-encoder-29.other.onnx → This document now").waitFor();
    await page.getByRole("button", { name: "Swap sides" }).click();
    await sides.getByText("This document now → sentence-encoder-29.other.onnx").waitFor();
    const call = (await calls(page)).filter(({ method }) => method === "diffStructure").at(-1);
    const after = call?.params["after"] as { base: { path: string } };
    assert.match(after.base.path, /other\.onnx$/);
    await page.getByRole("button", { name: "Compare with the original" }).click();
    await page.getByTestId("empty").waitFor();
  },

  "a failure is shown and a measurement can be cancelled": async (lab) => {
    const page = await lab.open({ scenario: "changed", query: "&step=200" });
    await goTo(page, "Diff");
    await page.getByTestId("measure").click();
    await page.getByTestId("job").getByRole("button", { name: "Cancel" }).click();
    await page.getByTestId("measure").waitFor();
    assert.equal(await page.getByTestId("failure").count(), 0);
    await until("the host was told", async () =>
      (await calls(page)).some(({ method }) => method === "cancel"),
    );
  },
};
