/** `lathe convert`: the same weights in another layout of files, or in the other format. */
import path from "node:path";
import { structureErrors, usageErrors } from "../shared/errors.ts";
import { formatVerified, plural } from "../shared/format.ts";
import { kindOf, type ModelKind } from "../shared/modelPath.ts";
import type { ConvertResult } from "../shared/protocol.ts";
import { callOptions, type Command } from "./command.ts";
import { shardLimit } from "./goal.ts";
import { checkPlace } from "./output.ts";
import { lines, pairs, sizeChange, skipLines } from "./text.ts";

export const convert: Command = {
  name: "convert",
  summary: "Write a model in another layout of files, or its weights in the other format.",
  usage: "MODEL [--weights FILE] -o OUT",
  positionals: [1, 1],
  options: ["out", "external-data", "max-shard-size", "weights", "force", "no-verify"],
  details: [
    "OUT's name says what is written: .onnx (with --external-data never or always: weights inside or in a file beside), .safetensors (one file), .safetensors.index.json (several shards and their index).",
    "From ONNX to safetensors initializers and large constants are written under their names; with --weights they come back, where name, type and shape agree. Values are never changed: every tensor that was written is compared with the source before OUT takes its name.",
  ],
  examples: [
    {
      line: "lathe convert model.onnx --external-data never -o single.onnx",
      what: "weights embedded in one file",
    },
    {
      line: "lathe convert model.safetensors.index.json -o model.safetensors",
      what: "shards merged; the other way round cuts them",
    },
    { line: "lathe convert model.onnx -o weights.safetensors", what: "the weights alone" },
    {
      line: "lathe convert model.onnx --weights tuned.safetensors -o tuned.onnx",
      what: "other weights in the same graph",
    },
  ],
  async run([model = ""], args, context) {
    const output = args.text("out");
    if (output === null)
      throw usageErrors.wrongArguments(
        "convert",
        "needs an output, -o OUT",
        `lathe convert ${convert.usage}`,
      );
    const kind = kindOf(output);
    if (kind === null) throw structureErrors.noModelName(output);
    const maxShardBytes = shardLimit(args, kind);
    const externalData = args.text("external-data");
    if (externalData !== null && kind !== "onnx")
      throw usageErrors.badOptionValue(
        "--external-data",
        externalData,
        "left out: OUT is no .onnx",
      );
    const doc = await context.client.open(model);
    const weightsPath = args.text("weights");
    const weights = weightsPath === null ? null : await context.client.open(weightsPath);
    checkPlace(output, model, args.flag("force"));
    const { sizeBytes: sizeBefore } = await context.client.ask("summary", { doc });
    const result = await context.client.job(
      "convert",
      {
        doc,
        weights,
        to: path.resolve(output),
        options: {
          externalData:
            externalData === "always" || externalData === "never" ? externalData : "auto",
          overwrite: args.flag("force"),
          verify: !args.flag("no-verify"),
          maxShardBytes,
        },
      },
      callOptions(context),
    );
    const { path: written, sizeBytes: sizeAfter, files, tensors, replaced, skipped } = result;
    const { verified, notes } = result;
    return {
      json: {
        output: written,
        files,
        tensors,
        replaced,
        skipped,
        sizeBefore,
        sizeAfter,
        verified,
        notes,
      },
      text: (style) =>
        lines([
          skipLines(skipped, style),
          pairs(
            [
              ["input", model],
              ["output", filesText(result)],
              ["tensors", tensorsText(result, weightsPath)],
              ["size", sizeChange(sizeBefore, sizeAfter)],
              [
                "result",
                verified === true
                  ? style.good(verifiedText(kind))
                  : style.warn(formatVerified(verified)),
              ],
            ],
            style,
          ),
          notes.map((note) => style.warn(`note: ${note}`)),
        ]),
      exitCode: 0,
    };
  },
};

const filesText = ({ path: file, files }: ConvertResult): string =>
  files.length === 1 ? file : `${file} and ${plural(files.length - 1, "file")} beside`;

const tensorsText = ({ tensors, replaced }: ConvertResult, weights: string | null): string =>
  weights === null ? String(tensors) : `${replaced} of ${tensors} from ${weights}`;

const verifiedText = (kind: ModelKind): string =>
  kind === "onnx"
    ? "every tensor equals its source; verified by running it"
    : "every tensor equals its source";
