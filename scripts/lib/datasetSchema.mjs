/** media/dataset.schema.json: completion and checks for `dataset.json` in the text editor. */

export async function generate({ load }) {
  const { TASKS, METRICS } = await load("src/data/dataset.ts");
  const { LAYOUTS } = await load("src/data/preprocess.ts");
  const numbers = (description) => ({
    anyOf: [{ type: "number" }, { type: "array", items: { type: "number" } }],
    description,
  });
  const input = {
    type: "object",
    additionalProperties: false,
    description: "Steps in this order: load, channels, mask, scale, mean and std, layout, reshape.",
    properties: {
      file: { type: "string", description: "An array (.npy) or a text file, beside this file." },
      folder: { type: "string", description: "A folder of images with labels.csv (file,label)." },
      resize: numbers("Images: the new short side, or [height, width]."),
      crop: numbers("Images: the centre crop's side, or [height, width]."),
      channels: { enum: ["RGB", "BGR"] },
      mask: { type: "boolean", description: "1 where the value is not 0." },
      scale: numbers("Multiplies the values."),
      mean: numbers("Subtracted, over the last axis."),
      std: numbers("Divides, over the last axis."),
      layout: { enum: LAYOUTS },
      reshape: { type: "array", items: { type: "integer" }, description: "Shape of one sample." },
      vocab: { type: "string", description: "Text: JSON list of characters; the id is the place." },
      context: { type: "integer", minimum: 1, description: "Text: tokens in a window." },
      range: {
        type: "array",
        items: { type: "number", minimum: 0, maximum: 1 },
        minItems: 2,
        maxItems: 2,
        description: "Text: the part of the file to use, as fractions.",
      },
      samples: { type: "integer", minimum: 1, description: "Text: this many random windows." },
    },
  };
  const inputs = {
    type: "object",
    minProperties: 1,
    description: 'By input name; "*" for every other input.',
    additionalProperties: input,
  };
  const labels = { type: "string", description: "Class numbers: .npy, or labels.csv." };
  const outputs = {
    type: "object",
    description: 'Expected outputs by name, or "*".',
    additionalProperties: {
      type: "object",
      additionalProperties: false,
      required: ["file"],
      properties: { file: { type: "string" }, scale: { type: "number" } },
    },
  };
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Lathe data",
    description: "Evaluation and calibration data for a model.",
    type: "object",
    required: ["inputs"],
    additionalProperties: false,
    properties: {
      $schema: { type: "string" },
      name: { type: "string" },
      description: { type: "string" },
      task: { enum: TASKS },
      metric: { enum: [...new Set(Object.values(METRICS).flat())] },
      inputs,
      labels,
      outputs,
      calibration: {
        type: "object",
        additionalProperties: false,
        description: "Samples for calibration; they must not overlap the others.",
        properties: { inputs, labels, outputs },
      },
    },
    allOf: TASKS.map((task) => ({
      if: { properties: { task: { const: task } }, required: ["task"] },
      then: { properties: { metric: { enum: METRICS[task] } } },
    })),
  };
  return { "media/dataset.schema.json": JSON.stringify(schema) };
}
