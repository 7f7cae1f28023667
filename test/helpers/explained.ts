/** Where `lathe validate` and the ONNX checker differ, by the name of the model without its number, and why. */
export const EXPLAINED: Readonly<Record<string, string>> = {
  "attribute refers to a function's":
    "Outside a function there is nothing to refer to; the checker and onnxruntime overlook it and use the value stored beside it.",
  "function refers to no attribute of its":
    "The checker does not compare references in a function with the attributes the function declares; onnxruntime takes the attribute as absent.",
  "attribute without its value":
    "The checker asks for the type alone; readers take an attribute without a value as 0 or empty.",
  "more values than the shape":
    "The checker asks for enough values, not for as many as the shape takes; what the others are for is not known.",
  "external offset that is no number":
    "The checker does not look at offsets; onnxruntime refuses to load the model.",
  "function output that nothing makes":
    "The checker does not compare a function's outputs with what its nodes make; onnxruntime refuses to load the model where it is called.",
  "training that sets what is not there":
    "The checker does not look at training information; onnx.proto asks that what is bound exists.",
  "training with a missing input":
    "The checker does not look at training information; onnx.proto asks that its graphs, joined with the model's, are graphs.",
  "external data past the end":
    "The checker asks whether the file exists, not whether the range is in it; onnxruntime refuses to load the model.",
  "weight for other channels":
    "The checker's inference of Conv does not compare channels; onnxruntime fails when the node runs.",
  "blocks that do not fit":
    "The checker's inference of DepthToSpace does not ask whether the channels divide into blocks; onnxruntime fails when the node runs.",
  "reshaped to another size":
    "The checker's inference of Reshape does not count elements unless a size is left open; onnxruntime fails when the node runs.",
  test_mvn:
    "The checker's own expansion of MeanVarianceNormalization fails for an axes attribute that is left out; the model runs.",
};

/** "missing input #2" and "node/test_mvn/model.onnx" as names of the table. */
export const explanationOf = (name: string): string | null => {
  const plain =
    name
      .replace(/ #\d+$/, "")
      .split("/")
      .at(-2) ?? name.replace(/ #\d+$/, "");
  return Object.hasOwn(EXPLAINED, plain) ? (EXPLAINED[plain] ?? null) : null;
};
