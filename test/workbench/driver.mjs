/** Drives the workbench in a browser as a person would, and says what is on the screen. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

/** VS Code swallows a click on a context menu right after it opens. */
const MENU_SETTLES_MS = 150;
/** Our menu items are there once VS Code has read the extension's manifest, soon after the explorer. */
const MENU_APPEARS_MS = 1500;
const MENU_TRIES = 12;
const QUICK_INPUT_MS = 1500;
const DIALOG_FILLS_MS = 500;

export const launchBrowser = (executablePath) =>
  chromium.launch({
    executablePath,
    headless: true,
    // Chromium's own sandbox does not start as root.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });

/** Opens a folder in a window of its own. Failures of the page's scripts are collected in `errors`. */
export async function openWindow({ browser, url, folder, screenshots }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const errors = [];
  page.on("console", (message) => {
    // What a page may not load is said here and nowhere else.
    if (/Content Security Policy/.test(message.text())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  const address = new URL(url);
  address.searchParams.set("folder", folder);
  await page.goto(address.href);
  return new Window(page, context, errors, screenshots);
}

class Window {
  constructor(page, context, errors, screenshots) {
    this.page = page;
    this.context = context;
    this.errors = errors;
    this.screenshots = screenshots;
  }

  close() {
    return this.context.close();
  }

  async screenshot(name) {
    mkdirSync(this.screenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(this.screenshots, `workbench-${name}.png`) });
  }

  row(name) {
    const pattern = new RegExp(`^${name.replaceAll(".", "\\.")}(,|$| )`);
    return this.page.getByRole("treeitem", { name: pattern }).first();
  }

  /** Selects files in the explorer, the first with a click, the others with Control. */
  async select(names) {
    // A hover over a row would cover it.
    await this.page.mouse.move(900, 850);
    for (const [index, name] of names.entries())
      await this.row(name).click(index === 0 ? {} : { modifiers: ["Control"] });
  }

  /** The context menu of a file, open, with our items in it. */
  async openMenu(name, item) {
    const entry = this.page.getByRole("menuitem", { name: item });
    for (let attempt = 1; ; attempt++) {
      await this.page.mouse.move(900, 850);
      await this.row(name).click({ button: "right" });
      try {
        await entry.waitFor({ timeout: MENU_APPEARS_MS });
        break;
      } catch (error) {
        if (attempt === MENU_TRIES) throw error;
        await this.page.keyboard.press("Escape");
      }
    }
    await sleep(MENU_SETTLES_MS);
    return entry;
  }

  async menu(name, item) {
    await (await this.openMenu(name, item)).click();
  }

  get quickInput() {
    return this.page.locator(".quick-input-widget");
  }

  async palette(command) {
    const input = this.quickInput.locator("input[type=text]").first();
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press("F1");
      try {
        await input.fill(`>${command}`, { timeout: QUICK_INPUT_MS });
        break;
      } catch (error) {
        // The key was lost, or the list was just closing.
        if (attempt === MENU_TRIES) throw error;
      }
    }
    await this.quickInput.locator(".quick-input-list .monaco-list-row").first().waitFor();
    await this.page.keyboard.press("Enter");
    // Until it is gone, or asks what the command wants to know.
    for (let wait = 0; wait < 100 && (await input.isVisible()); wait++) {
      if (!(await input.inputValue()).startsWith(">")) return;
      await sleep(20);
    }
  }

  /** Chooses the entry of a quick pick whose text contains `text`. */
  async pick(text) {
    const entry = this.quickInput.locator(".monaco-list-row", { hasText: text }).first();
    await entry.waitFor();
    await entry.click();
  }

  toast(text) {
    return this.page.locator(".notification-toast").filter({ hasText: text });
  }
  /** The page of the visible model editor that contains `selector`. */
  async editor(selector = "lathe-editor") {
    return this.#frame(selector);
  }
  inspector() {
    return this.#frame("lathe-inspector");
  }

  /** The order of webviews in the document says nothing, so they are told apart by content. */
  async #frame(selector) {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const outer = this.page.locator("iframe.webview:visible");
      for (let n = 0; n < (await outer.count()); n++) {
        // By its name: a page that opens later may come before this one in the document.
        const name = await outer
          .nth(n)
          .getAttribute("name", { timeout: QUICK_INPUT_MS })
          .catch(() => null);
        const frame = this.page
          .locator(`iframe.webview[name="${name}"]`)
          .contentFrame()
          .locator("iframe#active-frame")
          .contentFrame();
        if (
          (await frame
            .locator(selector)
            .count()
            .catch(() => 0)) > 0
        )
          return frame;
      }
      if (Date.now() > deadline) throw new Error(`no visible page has ${selector}`);
      await sleep(100);
    }
  }

  /**
   * Waits until VS Code knows the extension. Before that a model opens as text, and the try to open
   * a menu that is not there yet loses the selection.
   */
  async ready(name) {
    await this.openMenu(name, "Compare with…");
    await this.page.keyboard.press("Escape");
  }

  /** A button at the right of the editor's tabs. */
  async titleButton(name) {
    await this.page.locator(".editor-actions").getByRole("button", { name }).click();
  }

  async open(name) {
    await this.page.mouse.move(900, 850);
    await this.row(name).dblclick();
    await this.tab(name).waitFor();
    const editor = await this.editor();
    await editor.locator("vscode-tab-header, [data-testid=failure]").first().waitFor();
    return editor;
  }

  /** Puts the keyboard's focus into the page, where no field would take an undo for itself. */
  async focusPage(editor) {
    await editor.locator("vscode-tab-header[selected], vscode-tab-header[active]").first().click();
  }

  /** Save As, with the path typed into the workbench's own file dialog. */
  async saveAs(file) {
    await this.palette("File: Save As...");
    await this.typePath(file);
  }

  /** Types a path into the workbench's own file dialog and takes it. */
  async typePath(file) {
    const input = this.quickInput.locator("input[type=text]").first();
    await input.waitFor();
    // The dialog fills in the present path a moment after it opens.
    for (let tries = 0; tries < MENU_TRIES; tries++) {
      await input.fill(file);
      await sleep(DIALOG_FILLS_MS);
      if ((await input.inputValue()) === file) break;
    }
    await this.page.keyboard.press("Enter");
  }

  tab(name, state = "") {
    return this.page.locator(`.tab.active${state}`, { hasText: name });
  }

  async closeEditors() {
    await this.palette("View: Revert and Close Editor");
    await this.palette("View: Close All Editors");
    await this.palette("Notifications: Clear All Notifications");
  }

  /** Switches a model editor to one of its pages. */
  async showPage(editor, page) {
    await editor.locator(`vscode-tab-header[data-page=${page}]`).click();
    return editor.locator(`vscode-tab-panel[data-page=${page}]`);
  }

  /** On the Optimize page: chooses a technique and runs it; does not wait for the result. */
  async run(editor, technique) {
    await this.showPage(editor, "optimize");
    await editor.locator(`[data-technique="${technique}"]`).click();
    await editor.locator("vscode-button[data-testid=run]:not([disabled])").click();
  }
}
