import assert from "node:assert/strict";
import { calls, goTo, until, type Cases } from "./cases.ts";

export const dataCases: Cases = {
  "data is chosen, checked against the model and shown as it will be fed": async (lab) => {
    const page = await lab.open();
    await goTo(page, "Data");
    await page.getByText("No data is chosen for this model.").waitFor();
    await page.getByTestId("choose-data").click();
    await page.getByTestId("data-facts").waitFor();
    const facts = await page.getByTestId("data-facts").innerText();
    assert.match(facts, /To evaluate on\s+2,000 samples/);
    assert.match(facts, /For calibration\s+none\s+.*calibration: it is missing/);
    const rows = page.getByTestId("data-input").getByRole("row");
    assert.equal(await rows.count(), 7);
    assert.match(await rows.nth(1).innerText(), /0\s+3\s+0 … 3,?411\s+0, 37, 74/);
    await lab.screenshot(page, "data-ids");
    assert.deepEqual(await lab.axe(page), []);
    await page.getByRole("button", { name: "Use no data" }).click();
    await page.getByText("No data is chosen for this model.").waitFor();
  },

  "pictures are drawn with their labels": async (lab) => {
    for (const [theme, width] of [
      ["dark", 1100],
      ["light", 480],
      ["high-contrast", 1100],
    ] as const) {
      const page = await lab.open({ scenario: "pictures", theme, width });
      await goTo(page, "Data");
      await page.getByTestId("choose-data").click();
      const picture = page.getByRole("img", { name: "Picture of sample 0" });
      await picture.waitFor();
      const red = await page.evaluate<number>(
        `(() => {
          const find = (root) => root.querySelector("canvas") ??
            [...root.querySelectorAll("*")].map((e) => e.shadowRoot && find(e.shadowRoot)).find(Boolean);
          return find(document).getContext("2d").getImageData(31, 0, 1, 1).data[0];
        })()`,
      );
      assert.equal(red, 248);
      await lab.screenshot(page, `data-pictures-${theme}`);
      assert.deepEqual(await lab.axe(page), []);
    }
  },

  "a dataset.json is written from the form, and wrong fields are named": async (lab) => {
    const page = await lab.open();
    await goTo(page, "Data");
    const form = page.getByTestId("dataset-form");
    await form.getByTestId("write-dataset").click();
    await form.getByText("Choose the samples first.").first().waitFor();
    const first = form.getByRole("group").first();
    await first.getByRole("button", { name: "File or folder: Browse…" }).click();
    await first.getByRole("textbox", { name: "− mean" }).fill("0.5, x");
    await form.getByTestId("write-dataset").click();
    await first.getByText("Numbers separated by commas.").waitFor();
    await first.getByRole("textbox", { name: "− mean" }).fill("0.5, 0.25");
    for (const other of (await form.getByRole("group").all()).slice(1))
      await other.getByRole("button", { name: "File or folder: Browse…" }).click();
    await lab.screenshot(page, "data-form");
    assert.deepEqual(await lab.axe(page), []);
    await form.getByTestId("write-dataset").click();
    await until("the file is written", async () =>
      (await calls(page)).some(({ method }) => method === "writeDataset"),
    );
    const call = (await calls(page)).find(({ method }) => method === "writeDataset");
    const json = JSON.parse(String(call?.params["text"])) as {
      inputs: Record<string, { file: string; mean?: number[] }>;
    };
    const [input] = Object.values(json.inputs);
    assert.deepEqual(input, { file: "/home/anna/data/calib_x.npy", mean: [0.5, 0.25] });
    await page.getByTestId("data-path").getByText("/home/anna/models/dataset.json").waitFor();
  },
};
