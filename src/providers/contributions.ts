/**
 * What VS Code is told about the extension before any of it runs. `scripts/gen.mjs` writes it into
 * package.json: commands are per family of techniques, so a new technique changes nothing here.
 *
 * Titles are keys of package.nls.json.
 */
import { commandOf, FAMILY_COMMANDS, familiesOf } from "./families.ts";

const MODEL_FILE = "resourceFilename =~ /\\.(onnx|safetensors|safetensors\\.index\\.json)$/i";
/** Quality is judged by running the model, which weights alone do not allow. */
const ONNX_FILE = "resourceExtname =~ /^\\.onnx$/i";
const MODEL_EDITOR = "activeCustomEditorId =~ /^lathe\\.(model|shards)$/";
/** Weights alone have no graph to take a part of. */
const GRAPH_EDITOR = `activeCustomEditorId == 'lathe.model' && ${ONNX_FILE}`;
const ONE_OR_TWO = "(!listMultiSelection || listDoubleSelection)";

const step = (id: string, event: string): object => ({
  id,
  title: `%walkthrough.${id}.title%`,
  description: `%walkthrough.${id}.description%`,
  media: { markdown: `media/walkthrough/${id}.md` },
  completionEvents: [event],
});
const WALKTHROUGH = {
  id: "start",
  title: "%walkthrough.title%",
  description: "%walkthrough.description%",
  steps: [
    step("open", `onContext:${MODEL_EDITOR}`),
    step("analyze", "stepSelected"),
    step("quantize", "onCommand:lathe.quantize"),
    step("optimize", "onCommand:lathe.optimize"),
    step("compare", "onCommand:lathe.compare"),
    step("commandLine", "stepSelected"),
  ],
};

interface MenuItem {
  readonly command: string;
  readonly when: string;
  readonly group?: string;
}

/** The `contributes` object of package.json for a catalogue of techniques. */
export function contributes(
  catalog: readonly { readonly family: string; readonly formats: readonly string[] }[],
): object {
  const families = familiesOf(catalog);
  const forWeights = new Set(
    catalog.filter(({ formats }) => formats.includes("safetensors")).map(({ family }) => family),
  );
  const commands = [
    {
      command: "lathe.optimize",
      title: "%command.optimize%",
      category: "Lathe",
      icon: "$(sparkle)",
    },
    { command: "lathe.optimizeFiles", title: "%command.optimize%", category: "Lathe" },
    ...families.flatMap((family) => {
      const { icon } = FAMILY_COMMANDS[family];
      const title = `%command.${family}%`;
      return [
        { command: commandOf(family), title, category: "Lathe", icon },
        { command: commandOf(family, "files"), title, category: "Lathe" },
      ];
    }),
    { command: "lathe.convert", title: "%command.convert%", category: "Lathe" },
    { command: "lathe.convertFiles", title: "%command.convert%", category: "Lathe" },
    { command: "lathe.extract", title: "%command.extract%", category: "Lathe" },
    {
      command: "lathe.compare",
      title: "%command.compare%",
      category: "Lathe",
      icon: "$(arrow-swap)",
    },
    { command: "lathe.compareFiles", title: "%command.compare%", category: "Lathe" },
    { command: "lathe.compareCommitted", title: "%command.compareCommitted%", category: "Lathe" },
    {
      command: "lathe.showInspector",
      title: "%command.showInspector%",
      category: "Lathe",
      icon: "$(inspect)",
    },
    { command: "lathe.cancel", title: "%command.cancel%", category: "Lathe" },
    { command: "lathe.restartEngine", title: "%command.restartEngine%", category: "Lathe" },
    { command: "lathe.clearCache", title: "%command.clearCache%", category: "Lathe" },
    { command: "lathe.showLog", title: "%command.showLog%", category: "Lathe" },
  ];
  const explorer: MenuItem[] = [
    { command: "lathe.optimizeFiles", when: ONNX_FILE, group: "3_lathe@0" },
    ...families.map((family, index) => ({
      command: commandOf(family, "files"),
      when: forWeights.has(family) ? MODEL_FILE : ONNX_FILE,
      group: `3_lathe@${index + 1}`,
    })),
    { command: "lathe.convertFiles", when: MODEL_FILE, group: "3_lathe@80" },
    { command: "lathe.compareFiles", when: `${MODEL_FILE} && ${ONE_OR_TWO}`, group: "3_lathe@90" },
  ];
  const git = `${MODEL_EDITOR} && gitOpenRepositoryCount > 0`;
  const title: MenuItem[] = [
    { command: "lathe.optimize", when: GRAPH_EDITOR, group: "navigation@0" },
    ...families.map((family, index) => ({
      command: commandOf(family),
      when: forWeights.has(family) ? MODEL_EDITOR : GRAPH_EDITOR,
      // The first family and the comparison are buttons, the others are in the editor's menu.
      group: index === 0 ? "navigation@1" : `1_lathe@${index}`,
    })),
    { command: "lathe.convert", when: MODEL_EDITOR, group: "1_lathe@80" },
    { command: "lathe.extract", when: GRAPH_EDITOR, group: "1_lathe@81" },
    { command: "lathe.compare", when: MODEL_EDITOR, group: "navigation@2" },
    { command: "lathe.compareCommitted", when: git, group: "2_lathe@1" },
    { command: "lathe.showInspector", when: MODEL_EDITOR, group: "navigation@3" },
  ];
  const fromExplorer = explorer.map(({ command }) => ({ command, when: "false" }));
  return {
    customEditors: [
      {
        viewType: "lathe.model",
        displayName: "%editor.model%",
        priority: "default",
        selector: [{ filenamePattern: "*.onnx" }, { filenamePattern: "*.safetensors" }],
      },
      {
        // An index is JSON to everybody else, so that it opens as text unless asked.
        viewType: "lathe.shards",
        displayName: "%editor.shards%",
        priority: "option",
        selector: [{ filenamePattern: "*.safetensors.index.json" }],
      },
    ],
    commands,
    menus: {
      "explorer/context": explorer,
      "editor/title": title,
      commandPalette: [
        ...fromExplorer,
        { command: "lathe.extract", when: GRAPH_EDITOR },
        { command: "lathe.cancel", when: "lathe.jobRunning" },
        { command: "lathe.compareCommitted", when: git },
      ],
    },
    viewsContainers: {
      panel: [{ id: "lathe", title: "Lathe", icon: "media/lathe.svg" }],
    },
    views: {
      lathe: [
        {
          type: "webview",
          id: "lathe.inspector",
          name: "%view.inspector%",
          icon: "media/lathe.svg",
        },
      ],
    },
    walkthroughs: [WALKTHROUGH],
    jsonValidation: [
      { fileMatch: "*.lathe.json", url: "./media/recipe.schema.json" },
      { fileMatch: ["dataset.json", "*.dataset.json"], url: "./media/dataset.schema.json" },
    ],
    configuration: {
      title: "Lathe",
      properties: {
        "lathe.threads": {
          type: ["integer", "null"],
          default: null,
          minimum: 1,
          maximum: 256,
          markdownDescription: "%config.threads%",
          scope: "machine-overridable",
        },
        "lathe.scratchFolder": {
          type: ["string", "null"],
          default: null,
          markdownDescription: "%config.scratchFolder%",
          scope: "machine",
        },
        "lathe.scratchSizeMB": {
          type: "integer",
          default: 10_000,
          minimum: 100,
          markdownDescription: "%config.scratchSizeMB%",
          scope: "machine",
        },
        "lathe.memoryBudgetMB": {
          type: "integer",
          default: 2048,
          minimum: 64,
          markdownDescription: "%config.memoryBudgetMB%",
          scope: "machine-overridable",
        },
      },
    },
  };
}
