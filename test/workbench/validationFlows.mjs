/** A model that breaks the ONNX specification: the Summary page and the Problems panel say so. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

export const validationFlows = [
  {
    name: "validation: findings are on the Summary page and in the Problems panel, and lead to the node",
    async run({ window }) {
      const editor = await window.open("invalid.onnx");
      const findings = editor.locator("[data-testid=findings]");
      await findings.getByText("ONNX has no operator Rela.").waitFor();
      await findings.getByText(/Did you mean Relu\?/).waitFor();
      await window.palette("Problems: Focus on Problems View");
      const problem = window.page.locator(".markers-panel .monaco-list-row", {
        hasText: "ONNX has no operator Rela.",
      });
      await problem.first().waitFor();
      assert.match(await problem.first().innerText(), /Lathe/);
      await sleep(300);
      await window.screenshot("validation-summary-and-problems");
      await findings.getByRole("button").first().click();
      await editor.locator("vscode-tab-header[data-page=graph]").waitFor();
      await window.page.locator(".part.panel").getByRole("tab", { name: "Lathe" }).click();
      await (await window.inspector()).getByText("Rela").first().waitFor();
      await sleep(500);
      await window.screenshot("validation-node");
      await window.closeEditors();
      await problem.first().waitFor({ state: "detached" });
      await window.palette("View: Hide Panel");
    },
  },
];
