/** Puts the parts together: engine, model editor, inspector, commands. */
import * as vscode from "vscode";
import { createClient } from "./client/index.ts";
import { registerCommands } from "./providers/commands.ts";
import { dataMemory } from "./providers/dataMemory.ts";
import { createDiagnostics } from "./providers/diagnostics.ts";
import { createEngineHost } from "./providers/engine.ts";
import { INSPECTOR_VIEW, InspectorProvider } from "./providers/inspector.ts";
import { ModelEditorProvider, VIEW_TYPES } from "./providers/modelEditor.ts";
import { onSettingsChange, readSettings } from "./providers/settings.ts";
import { createJobStatus } from "./providers/status.ts";

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("Lathe", { log: true });
  const { version } = context.extension.packageJSON as { version: string };
  const engine = createEngineHost(() => {
    const settings = readSettings(context);
    const client = createClient({
      enginePath: context.asAbsolutePath("dist/engine.cjs"),
      ...settings,
      version,
      allowJobs: () => vscode.workspace.isTrusted,
    });
    client.onStderr((text) => log.warn(text.trimEnd()));
    return client;
  });
  const status = createJobStatus();
  const memory = dataMemory(context.workspaceState);
  const diagnostics = createDiagnostics(engine, log);
  const inspector = new InspectorProvider(context.extensionUri);
  const editor: ModelEditorProvider = new ModelEditorProvider({
    engine,
    log,
    context,
    memory,
    withStatus: (document, title, work) => status.run(document, title, work),
    diagnose: (document) => diagnostics.follow(document),
    diagnoseFailure: (document) => diagnostics.failed(document),
    onActive: (open) => {
      if (open) inspector.follow(editor.pageOptions(open));
      else if (editor.all.length === 0) inspector.follow(null);
    },
    onSelect: (open) => {
      inspector.follow(editor.pageOptions(open));
      return inspector.visible;
    },
  });
  context.subscriptions.push(
    log,
    engine,
    diagnostics,
    ...VIEW_TYPES.map((type) =>
      vscode.window.registerCustomEditorProvider(type, editor, {
        supportsMultipleEditorsPerDocument: true,
      }),
    ),
    vscode.window.registerWebviewViewProvider(INSPECTOR_VIEW, inspector),
    registerCommands({ engine, log, status, memory, editor, inspector }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => editor.refreshAll()),
    onSettingsChange(() => engine.replace()),
  );
}
