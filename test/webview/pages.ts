/** The webview's bundle in a bare Chromium, with the fake host at the other end of its wire. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import type {
  Browser,
  BrowserContextOptions,
  Page,
} from "../workbench/node_modules/playwright-core";
import { themeCss, type Theme } from "./themes.ts";

/** The driver is installed with the workbench tests, which need it too. */
const require = createRequire(path.resolve("test/workbench/package.json"));
const { chromium } =
  require("playwright-core") as typeof import("../workbench/node_modules/playwright-core");

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ORIGIN = "http://lathe.test";

/** The same policy as in VS Code, and nothing that it would block may be tried. */
const PAGE = (view: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${ORIGIN}; style-src ${ORIGIN}">
<title>Lathe</title>
<link rel="stylesheet" href="/theme.css">
</head>
<body data-view="${view}">
<script type="module" src="/fakeHost.js"></script>
<script type="module" src="/webview.js"></script>
</body>
</html>`;

/** Several techniques, whatever the product has at the moment. */
const fixtureCatalog: Plugin = {
  name: "fixture-catalog",
  setup: (setup) => {
    setup.onResolve({ filter: /\/catalog\.json$/ }, () => ({
      path: path.resolve("test/webview/page/catalogFixture.json"),
    }));
  },
};

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    tsconfig: "tsconfig.web.json",
    plugins: [fixtureCatalog],
    logLevel: "warning",
  });
  return result.outputFiles[0]?.text ?? "";
}

export interface OpenOptions {
  readonly view?: "editor" | "inspector";
  readonly scenario?: string;
  readonly query?: string;
  readonly theme?: Theme;
  readonly width?: number;
  readonly height?: number;
}

export interface Lab {
  readonly webview: string;
  open(options?: OpenOptions): Promise<Page>;
  openHtml(html: string, theme: "light" | "dark"): Promise<Page>;
  /** Everything the pages logged as an error, CSP violations included; empty is right. */
  readonly problems: readonly string[];
  screenshot(page: Page, name: string): Promise<void>;
  /** Violations of serious or critical impact, as "rule: target". */
  axe(page: Page): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openLab(): Promise<Lab> {
  const executablePath = CHROMIUM.find((file) => existsSync(file));
  if (executablePath === undefined)
    throw new Error("These tests need Chromium: apt-get install --no-install-recommends chromium");
  const [webview, fakeHost] = await Promise.all([
    bundle("webview/main.ts"),
    bundle("test/webview/page/fakeHost.ts"),
  ]);
  const browser: Browser = await chromium.launch({
    executablePath,
    headless: true,
    args: ["--no-sandbox"],
  });
  const problems: string[] = [];
  const axeSource = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
  const newPage = async (options: BrowserContextOptions): Promise<Page> => {
    const context = await browser.newContext({ ...options, bypassCSP: false });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    return page;
  };
  return {
    webview,
    problems,
    open: async ({
      view = "editor",
      scenario = "normal",
      query = "",
      theme = "dark",
      width = 1100,
      height = 800,
    } = {}) => {
      const page = await newPage({
        viewport: { width, height },
        reducedMotion: "reduce",
        ...(theme === "high-contrast" ? { forcedColors: "none" as const } : {}),
      });
      const bodies: Readonly<Record<string, readonly [string, string]>> = {
        "/": ["text/html", PAGE(view)],
        "/theme.css": ["text/css", themeCss(theme)],
        "/webview.js": ["text/javascript", webview],
        "/fakeHost.js": ["text/javascript", fakeHost],
      };
      await page.route(`${ORIGIN}/**`, async (route) => {
        const [contentType, body] = bodies[new URL(route.request().url()).pathname] ?? [];
        if (contentType === undefined) await route.fulfill({ status: 204 });
        else await route.fulfill({ contentType, body: body ?? "" });
      });
      await page.goto(`${ORIGIN}/?scenario=${scenario}${query}`);
      return page;
    },
    openHtml: async (html, theme) => {
      const page = await newPage({ viewport: { width: 1000, height: 900 }, colorScheme: theme });
      const file = path.resolve("out/screenshots", `report-${theme}.html`);
      mkdirSync(path.dirname(file), { recursive: true });
      const { writeFileSync } = await import("node:fs");
      writeFileSync(file, html);
      await page.goto(`file://${file}`);
      return page;
    },
    screenshot: async (page, name) => {
      mkdirSync("out/screenshots", { recursive: true });
      await page.screenshot({ path: `out/screenshots/webview-${name}.png` });
    },
    axe: async (page) => {
      // Evaluated by the driver, outside the page's policy.
      await page.evaluate(axeSource);
      const result: unknown = await page.evaluate(
        "axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').flatMap((v) => v.nodes.map((n) => v.id + ': ' + JSON.stringify(n.target) + ' ' + n.failureSummary)))",
      );
      return result as string[];
    },
    close: () => browser.close(),
  };
}
