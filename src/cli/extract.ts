/** `lathe extract`: the part of a model between given values, as a model of its own. */
import path from "node:path";
import { structureErrors, usageErrors } from "../shared/errors.ts";
import { formatVerified } from "../shared/format.ts";
import type { Entry } from "../shared/doc.ts";
import { callOptions, type Command } from "./command.ts";
import { checkOutput } from "./output.ts";
import { ioText, lines, pairs, sizeChange } from "./text.ts";

export const extract: Command = {
  name: "extract",
  summary: "Write the part of an ONNX model between given values as a model of its own.",
  usage: "MODEL [--from V,…] [--to V,…] -o OUT",
  positionals: [1, 1],
  options: ["from", "to", "out", "external-data", "force", "no-verify"],
  details: [
    "Values are named as in the model: results of nodes, inputs, initializers. Without --from the part begins at the model's inputs that are needed; without --to it ends at the model's outputs.",
    "Initializers, bodies of branches, functions and declared types that the part needs come along. `lathe apply -t edit.extract` does the same as one step of a recipe.",
  ],
  examples: [
    { line: "lathe extract model.onnx --to /pool/out -o backbone.onnx", what: "without its head" },
    {
      line: "lathe extract model.onnx --from /block3/in --to /block3/out -o block3.onnx",
      what: "one block",
    },
  ],
  async run([model = ""], args, context) {
    const usage = `lathe extract ${extract.usage}`;
    const output = args.text("out");
    if (output === null)
      throw usageErrors.wrongArguments("extract", "needs an output, -o OUT", usage);
    const [from, to] = [args.text("from"), args.text("to")];
    if (from === null && to === null)
      throw usageErrors.wrongArguments("extract", "needs --from or --to, or both", usage);
    const doc = await context.client.open(model);
    checkOutput(output, model, args.flag("force"));
    const entry: Entry = {
      transform: "edit.extract",
      params: { from: from ?? "", to: to ?? "" },
    };
    const plan = await context.client.ask("plan", { doc, entry });
    const [unit] = plan.units;
    const [skip] = plan.skipped;
    if (!unit && skip) throw structureErrors.noSuchPart(model, skip.name, skip.reason);
    const before = await context.client.ask("summary", { doc });
    const externalData = args.text("external-data");
    const saved = await context.client.job(
      "save",
      {
        doc: { ...doc, recipe: [entry] },
        to: path.resolve(output),
        options: {
          externalData:
            externalData === "always" || externalData === "never" ? externalData : "auto",
          overwrite: args.flag("force"),
          verify: !args.flag("no-verify"),
          recipeFile: true,
        },
      },
      callOptions(context),
    );
    const written = await context.client.open(saved.path);
    const after = await context.client.ask("summary", { doc: written });
    return {
      json: {
        output: saved.path,
        verified: saved.verified,
        nodes: after.nodes,
        nodesBefore: before.nodes,
        inputs: after.inputs,
        outputs: after.outputs,
        sizeBefore: before.sizeBytes,
        sizeAfter: saved.sizeBytes,
      },
      text: (style) =>
        lines([
          pairs(
            [
              ["input", model],
              ["output", saved.path],
              ["nodes", `${after.nodes} of ${before.nodes}`],
              ...after.inputs.map((value) => ["from", ioText(value)] as const),
              ...after.outputs.map((value) => ["to", ioText(value)] as const),
              ["size", sizeChange(before.sizeBytes, saved.sizeBytes)],
              [
                "result",
                saved.verified === true
                  ? style.good(formatVerified(saved.verified))
                  : style.warn(formatVerified(saved.verified)),
              ],
            ],
            style,
          ),
        ]),
      exitCode: 0,
    };
  },
};
