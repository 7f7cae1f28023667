/** A model as the reader gives it, from the text of a graph (see test/helpers/graphText.ts). */
import type { Model } from "../../src/core/model.ts";
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { onnxFromText } from "../helpers/graphText.ts";

export const modelFromBytes = (bytes: Uint8Array, name = "/model.onnx"): Model =>
  readModel(memorySource(name, bytes), { resolve: () => null });

export const modelFromText = (text: string): Model => modelFromBytes(onnxFromText(text));
