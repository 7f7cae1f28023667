/** A model written anew though nothing in it was changed: what saving it after a change would do to all of it. */
import { readModel } from "../../src/formats/index.ts";
import { memorySource } from "../../src/formats/wire.ts";
import { encode, NO_SIBLINGS } from "../formats/make.ts";
import { rebuilt } from "../formats/rebuild.ts";

const FILE = "/model.onnx";

/** `kept`: through the encoder, messages that did not change being reused. `rebuilt`: from the model's fields alone, wherever they say all. */
export type Way = "kept" | "rebuilt";

export function reencode(bytes: Uint8Array, way: Way): Uint8Array {
  const model = readModel(memorySource(FILE, bytes), NO_SIBLINGS);
  return encode(way === "kept" ? model : rebuilt(model), { [FILE]: bytes }).model;
}
