/** How the page tests are written: a name and what to do in the lab. */
import type { Page } from "playwright-core";
import type { Lab } from "./pages.ts";

export type Cases = Readonly<Record<string, (lab: Lab) => Promise<void>>>;

/** The methods the page called so far, as the fake host heard them. */
export async function calls(page: Page): Promise<readonly Call[]> {
  return await page.evaluate<Call[]>("fakeHost.calls");
}
export interface Call {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export const tab = (page: Page, name: string) => page.getByRole("tab", { name, exact: true });

/** Opens a page of the editor by its tab and waits for the panel. */
export async function goTo(
  page: Page,
  name: "Summary" | "Graph" | "Tensors" | "Data" | "Analysis" | "Optimize" | "Diff",
): Promise<void> {
  await tab(page, name).click();
  await page.locator(`lathe-${name.toLowerCase()}`).waitFor();
}

/** Asks again until `test` holds; the page answers in its own time. */
export async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 50) {
    if (await test()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not in 5 s: ${what}`);
}
