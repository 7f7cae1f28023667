import assert from "node:assert/strict";
import { calls, goTo, tab, until, type Cases } from "./cases.ts";

export const summaryCases: Cases = {
  "the summary shows the facts of the file": async (lab) => {
    const page = await lab.open();
    const facts = page.getByTestId("facts");
    await facts.waitFor();
    const text = await facts.innerText();
    for (const fact of ["ONNX", "ai.onnx 17", "812 (14 in subgraphs)", "25.0M", "22.8M"])
      assert.ok(text.includes(fact), `${fact} in ${text}`);
    const bar = page.getByRole("img", { name: /^Weights by type/ });
    assert.match(
      (await bar.getAttribute("aria-label")) ?? "",
      /: float32 99\.9 MB \(99\.9 %\), float16 64\.0 kB \(0\.064 %\), int64/,
    );
    await page.getByRole("button", { name: "Show all 16" }).click();
    assert.equal(await page.getByRole("row", { name: "If 1" }).count(), 1);
    assert.equal(await page.getByText("Nothing yet: this is the file").count(), 1);
  },

  "files of a model in several are named from its folder, the first few at once": async (lab) => {
    const page = await lab.open({ scenario: "shards" });
    const files = page.getByTestId("facts").getByRole("listitem");
    await files.first().waitFor();
    const shown = await files.filter({ visible: true }).allInnerTexts();
    assert.equal(shown.length, 8);
    assert.match(shown[0] ?? "", /^large\.safetensors\.index\.json\s+23\.0 kB$/);
    assert.match(shown[1] ?? "", /^large-00001-of-00012\.safetensors\s+5\.00 GB$/);
    await page.getByText("5 more files").click();
    await files.nth(12).waitFor();
  },

  "what is wrong with a model is listed with its place, which shows the node in the graph": async (
    lab,
  ) => {
    const page = await lab.open({ scenario: "invalid" });
    const findings = page.getByTestId("findings");
    await findings.getByText("Not a valid model: 1 error, 1 type error, 1 warning.").waitFor();
    await findings.getByText(/Did you mean "encoder/).waitFor();
    await findings.getByRole("button", { name: "/encoder/layer.3/attention/MatMul" }).click();
    await until("the graph reveals the node", async () =>
      (await calls(page)).some(
        ({ method, params }) =>
          method === "graph" &&
          (params as { reveal: string | null }).reveal ===
            "/encoder/layer.3/attention/MatMul_output_0",
      ),
    );
    assert.equal(await tab(page, "Graph").getAttribute("aria-selected"), "true");
  },

  "a valid model has no list of findings": async (lab) => {
    const page = await lab.open();
    await page.getByTestId("facts").waitFor();
    await until("the model is validated", async () =>
      (await calls(page)).some(({ method }) => method === "validate"),
    );
    assert.equal(await page.getByTestId("findings").count(), 0);
  },

  "what was done is listed with the size before and after, and can be taken back": async (lab) => {
    const page = await lab.open({ scenario: "changed" });
    const recipe = page.getByTestId("recipe");
    await recipe.getByText("77.2 % smaller").waitFor();
    assert.match(await recipe.innerText(), /Weight-only quantization\s+100 MB → 22\.8 MB/);
    await page.getByRole("button", { name: "Remove last entry" }).click();
    await page.getByText("Nothing yet: this is the file").waitFor();
    const removed = (await calls(page)).find((call) => call.method === "removeEntries");
    assert.deepEqual(removed?.params, { count: 1 });
  },

  "a failure is shown in its place with its hint, and Retry asks again": async (lab) => {
    const page = await lab.open({ scenario: "failing" });
    const failure = page.getByTestId("failure");
    await failure.getByText("ended unexpectedly during ready").waitFor();
    await failure.getByText("Your file is unchanged.").waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    await failure.getByText("ended unexpectedly during summary").waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByTestId("facts").waitFor();
    await failure.getByText("ended unexpectedly during validate").waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    await until("no failure is left", async () => (await failure.count()) === 0);
  },

  "the tabs are reached and changed by keyboard": async (lab) => {
    const page = await lab.open();
    await tab(page, "Summary").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.getByRole("grid", { name: "Tensors" }).waitFor();
    assert.equal(await tab(page, "Tensors").getAttribute("aria-selected"), "true");
    assert.equal(await page.getByRole("tabpanel", { name: "Tensors" }).isVisible(), true);
  },

  "a page that was thrown away comes back where it was": async (lab) => {
    const page = await lab.open({ height: 500 });
    await page.getByTestId("facts").waitFor();
    await page.evaluate(
      "document.querySelector('lathe-editor').shadowRoot.querySelector('lathe-summary').scrollTop = 300",
    );
    await page.waitForTimeout(300);
    await page.reload();
    await page.getByTestId("facts").waitFor();
    await until(
      "scrolled",
      async () =>
        (await page.evaluate(
          "document.querySelector('lathe-editor').shadowRoot.querySelector('lathe-summary').scrollTop",
        )) === 300,
    );
    await goTo(page, "Tensors");
    await page.reload();
    await page.getByRole("grid", { name: "Tensors" }).waitFor();
  },

  "a tensor of the list of the largest opens among the tensors": async (lab) => {
    const page = await lab.open();
    await page.getByRole("button", { name: "embeddings.word_embeddings.weight" }).click();
    await page.getByTestId("detail").getByText("[8000, 256]").waitFor();
    await page.getByTestId("count").getByText("1 tensor match").waitFor();
  },

  "why nothing can be changed is said on every page": async (lab) => {
    const page = await lab.open({ scenario: "readonly" });
    await page.getByTestId("read-only").getByText("is not trusted").waitFor();
  },

  "a running job is shown with a way out": async (lab) => {
    const page = await lab.open({ scenario: "job" });
    const job = page.getByTestId("job");
    await job.getByText("batch 12 of 29").waitFor();
    assert.equal(
      await job.getByRole("progressbar", { name: "Progress" }).getAttribute("aria-valuenow"),
      "42",
    );
    await job.getByRole("button", { name: "Cancel" }).click();
    await until("cancel was called", async () =>
      (await calls(page)).some((call) => call.method === "cancel"),
    );
  },
};
