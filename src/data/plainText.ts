/** A plain text file for a language model whose tokens are the text's characters, or bytes. */
import { dataErrors } from "../shared/errors.ts";
import type { Dataset, ModelIo } from "./dataset.ts";
import { prepared } from "./preprocess.ts";
import { plainTextIds, windows } from "./text.ts";

/** Window length where the model leaves it open. */
const DEFAULT_CONTEXT = 128;

/** @throws DataError when the model takes more than token ids, or has other tokens. */
export function openPlainText(path: string, io: ModelIo): Dataset {
  const [input, ...more] = io.inputs;
  if (!input || more.length > 0 || input.shape.length !== 2)
    throw dataErrors.bad(
      path,
      path,
      `plain text serves models with one input of token ids; this one has ${io.inputs.map(({ name }) => name).join(", ")}`,
      "Write a dataset.json, or a .npz with an array for each input.",
    );
  const tokens = io.outputs[0]?.shape.at(-1);
  const length = input.shape[1];
  const { inputs, targets } = windows(
    path,
    plainTextIds(path, typeof tokens === "number" ? tokens : null),
    { context: typeof length === "number" ? length : DEFAULT_CONTEXT, range: [0, 1] },
  );
  return {
    path,
    task: "language-model",
    metric: null,
    inputs: new Map([[input.name, prepared(inputs, {}, input.name)]]),
    labels: targets,
    expected: new Map(),
  };
}
