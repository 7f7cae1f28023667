/** media/recipe.schema.json: completion and checks for `*.lathe.json` in the text editor. */

export function generate({ catalog }) {
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Lathe recipe",
    description:
      "What was done to a model, in order; `lathe apply MODEL RECIPE -o OUT` does it again.",
    type: "object",
    required: ["version", "entries"],
    properties: {
      version: { const: 1 },
      tool: { type: "string", description: "The version of Lathe that wrote this recipe." },
      source: {
        type: "object",
        description: "The file that the recipe was made on.",
        properties: {
          sha256: { type: "string", pattern: "^[0-9a-f]{64}$" },
          sizeBytes: { type: "integer", minimum: 0 },
        },
      },
      data: { type: "string", description: "The data it was done with." },
      target: { type: "string", description: "The runtime that the result is for." },
      entries: {
        type: "array",
        items: {
          type: "object",
          required: ["transform"],
          additionalProperties: false,
          properties: {
            transform: {
              enum: catalog.map(({ id }) => id),
              enumDescriptions: catalog.map(({ summary }) => summary),
            },
            params: { type: "object" },
            scope: {
              type: "array",
              items: { type: "string" },
              description: "Names of units, or patterns with *; everything when absent.",
            },
            seed: { type: "integer" },
            holdOut: {
              type: "boolean",
              description:
                "Statistics leave out the calibration samples that a search compared candidates on.",
            },
          },
          allOf: catalog.map(({ id, params }) => ({
            if: { properties: { transform: { const: id } } },
            then: { properties: { params: paramsSchema(params) } },
          })),
        },
      },
    },
  };
  return { "media/recipe.schema.json": JSON.stringify(schema) };
}

const paramsSchema = (params) => ({
  type: "object",
  additionalProperties: false,
  properties: Object.fromEntries(
    Object.entries(params).map(([key, param]) => [
      key,
      {
        ...valueSchema(param),
        default: param.default,
        description: `${param.title}: ${param.help}`,
      },
    ]),
  ),
});

function valueSchema(param) {
  if (param.type === "flag") return { type: "boolean" };
  if (param.type === "text") return { type: "string", maxLength: param.maxLength };
  if (param.of) return { enum: param.of };
  return {
    type: param.integer === true ? "integer" : "number",
    minimum: param.min,
    maximum: param.max,
  };
}
