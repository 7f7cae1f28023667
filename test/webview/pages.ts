/** The webview's bundle in a bare Chromium, with the fake host at the other end of its wire. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { chromium, type BrowserContextOptions, type Page } from "playwright-core";
import { decoderText } from "../helpers/graphs.ts";
import { pageEngine } from "./engine.ts";
import { themeCss, type Theme } from "./themes.ts";

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
    for (const name of ["catalog", "analyzers"])
      setup.onResolve({ filter: new RegExp(`/${name}\\.json$`) }, () => ({
        path: path.resolve(`test/webview/page/${name}Fixture.json`),
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
  /** Path of an .onnx file or graph text, for the graph page. */
  readonly model?: string;
}

const SMALL_MODEL = decoderText({ layers: 6 });

export interface Lab {
  readonly webview: string;
  open(options?: OpenOptions): Promise<Page>;
  openHtml(html: string, theme: "light" | "dark"): Promise<Page>;
  /** Everything the pages logged as an error, CSP violations included; empty is right. */
  readonly problems: string[];
  screenshot(page: Page, name: string): Promise<void>;
  /** Violations of serious or critical impact, as "rule: target". */
  axe(page: Page): Promise<readonly string[]>;
  closePages(): Promise<void>;
  close(): Promise<void>;
}

export async function openLab(): Promise<Lab> {
  // The workbench tests know where Chromium is, and bring it where it is missing.
  const install = (await import(
    pathToFileURL(path.resolve("test/workbench/install.mjs")).href
  )) as { findChromium(): string };
  const engine = pageEngine();
  const [webview, testable, fakeHost] = await Promise.all([
    bundle("webview/main.ts"),
    bundle("test/webview/page/testMain.ts"),
    bundle("test/webview/page/fakeHost.ts"),
  ]);
  const browser = await chromium.launch({
    executablePath: install.findChromium(),
    headless: true,
    args: ["--no-sandbox"],
  });
  const problems: string[] = [];
  const axeSource = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
  const newPage = async (options: BrowserContextOptions): Promise<Page> => {
    const context = await browser.newContext({ ...options, bypassCSP: false });
    const page = await context.newPage();
    page.setDefaultTimeout(5000);
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
      model = SMALL_MODEL,
    } = {}) => {
      const page = await newPage({
        viewport: { width, height },
        reducedMotion: "reduce",
        ...(theme === "high-contrast" ? { forcedColors: "none" as const } : {}),
      });
      await page.exposeFunction(
        "askEngine",
        async (method: string, params: Record<string, unknown>) =>
          await engine.ask(model, method, params),
      );
      const bodies: Readonly<Record<string, readonly [string, string]>> = {
        "/": ["text/html", PAGE(view)],
        "/theme.css": ["text/css", themeCss(theme)],
        "/webview.js": ["text/javascript", testable],
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
      writeFileSync(file, html);
      await page.goto(`file://${file}`);
      return page;
    },
    screenshot: async (page, name) => {
      mkdirSync("out/screenshots", { recursive: true });
      // A layer that has just been scrolled into view is painted a frame or two later.
      await page.waitForTimeout(150);
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
    closePages: async () => {
      await Promise.all(browser.contexts().map((context) => context.close()));
    },
    close: async () => {
      engine.close();
      await browser.close();
    },
  };
}
