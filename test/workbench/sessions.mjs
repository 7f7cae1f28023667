/** Servers with the packaged extension, each with the flows that are run in it. */
import path from "node:path";
import { analysisFlows } from "./analysisFlows.mjs";
import { dataFlows } from "./dataFlows.mjs";
import { openWindow } from "./driver.mjs";
import { diskFlows } from "./diskFlows.mjs";
import { fileFlows } from "./fileFlows.mjs";
import { optimizeFlows } from "./optimizeFlows.mjs";
import { sharedFileFlows } from "./sharedFileFlows.mjs";
import { structureFlows } from "./structureFlows.mjs";
import { flows, restrictedFlow, themeFlow } from "./ui.mjs";
import { validationFlows } from "./validationFlows.mjs";
import { installVsix, startServer } from "./server.mjs";

const SESSIONS = [
  {
    name: "dark",
    theme: "Default Dark Modern",
    flows: [...flows, ...diskFlows, ...sharedFileFlows, ...validationFlows],
  },
  {
    name: "measured",
    theme: "Default Dark Modern",
    models: "measured",
    flows: [...dataFlows, ...analysisFlows, ...optimizeFlows, ...fileFlows],
  },
  {
    name: "structure",
    theme: "Default Dark Modern",
    models: "structure",
    flows: structureFlows,
  },
  { name: "light", theme: "Default Light Modern", flows: [themeFlow("light")] },
  { name: "highContrast", theme: "Default High Contrast", flows: [themeFlow("high-contrast")] },
  { name: "restricted", theme: "Default Dark Modern", trust: true, flows: [restrictedFlow] },
];

export async function runSessions(options) {
  const { only } = options;
  for (const session of SESSIONS) {
    const chosen = session.flows.filter(({ name }) => only === null || only.test(name));
    if (chosen.length > 0) await runSession({ ...session, flows: chosen }, options);
  }
}

async function runSession(
  session,
  { browser, temp, vsix, screenshots, makeWorkspace, report, closing },
) {
  const base = path.join(temp, session.name);
  const folder = path.join(base, "models");
  makeWorkspace(folder, session);
  installVsix(base, vsix);
  const server = await startServer({
    base,
    trust: session.trust === true,
    settings: {
      "workbench.colorTheme": session.theme,
      "security.workspace.trust.startupPrompt": "never",
    },
  });
  closing.push(server.stop);
  const open = async () => {
    const opened = await openWindow({ browser, url: server.url, folder, screenshots });
    await opened.ready("cnn.onnx");
    return opened;
  };
  let window = await open();
  for (const flow of session.flows) {
    const started = Date.now();
    let failure = null;
    try {
      await flow.run({ window, server, folder, openWindow: open });
      if (window.errors.length > 0) throw new Error(window.errors.join("\n"));
      await window.closeEditors();
    } catch (error) {
      failure = error;
      const name = flow.name.replaceAll(/\W+/g, "-").slice(0, 60);
      await window.screenshot(`failed-${name}`).catch(() => {});
      console.log(server.tail());
    }
    report(flow.name, failure, Date.now() - started);
    window.errors.length = 0;
    if (failure === null) continue;
    // Whatever state it was left in is not the next flow's.
    await window.close();
    window = await open();
  }
  await window.close();
  server.stop();
}
