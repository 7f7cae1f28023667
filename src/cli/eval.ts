/** `lathe eval`: how good a model is on labelled data, with a 95 % interval. */
import { formatEval, formatEvidence, formatMetric, metricTitle } from "../shared/format.ts";
import { callOptions, dataPath, type Command } from "./command.ts";
import { lines, pairs } from "./text.ts";

export const evaluate: Command = {
  name: "eval",
  summary: "Measure a model on data: accuracy, perplexity or error with a 95 % interval.",
  usage: "MODEL --data DATA",
  positionals: [1, 1],
  options: ["data", "limit"],
  details: [
    "The metric follows from the data: class labels give top-1 accuracy, text gives perplexity, reference outputs give PSNR or mean squared error.",
  ],
  examples: [
    { line: "lathe eval model.onnx --data dataset.json", what: "all samples" },
    { line: "lathe eval model.onnx --data dataset.json --limit 200 --json", what: "a quick look" },
  ],
  async run([model = ""], args, context) {
    const doc = await context.client.open(model);
    const result = await context.client.job(
      "evaluate",
      { doc, data: dataPath(args), limit: args.number("limit") },
      callOptions(context),
    );
    return {
      json: result,
      text: (style) =>
        lines([
          pairs(
            [
              [metricTitle(result.metric), style.bold(formatEval(result))],
              ...Object.entries(result.also).map(
                ([metric, value]) => [metricTitle(metric), formatMetric(metric, value)] as const,
              ),
              ["measured on", formatEvidence(result)],
            ],
            style,
          ),
          ...result.notes.map((note) => style.warn(`note: ${note}`)),
        ]),
      exitCode: 0,
    };
  },
};
