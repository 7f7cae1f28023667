/** A network whose channels are out of balance: what integer quantization with one range per tensor suffers from most. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { readFileSync, writeFileSync } from "node:fs";
import { ModelProtoSchema } from "../../src/formats/onnx_pb.ts";
import { random } from "../../src/shared/random.ts";

/** Channels are scaled by 2^-OCTAVES to 2^OCTAVES. */
export const OCTAVES = 5;

/**
 * Writes resnet8 with the channels between the two convolutions of each block multiplied by random
 * powers of two, and divided again by the weights that read them. Powers of two and ReLU commute
 * exactly, so the network computes what it did to the bit.
 */
export function writeUnbalanced(resnet8: string, target: string, seed: number): void {
  const model = fromBinary(ModelProtoSchema, readFileSync(resnet8));
  const tensors = new Map(model.graph?.initializer.map((tensor) => [tensor.name, tensor]));
  /** Multiplies the values at every `index` by factor(index). */
  const scale = (name: string, factor: (index: number) => number): void => {
    const tensor = tensors.get(name);
    const bytes = tensor?.rawData;
    if (tensor === undefined || bytes === undefined || bytes.length === 0)
      throw new Error(`${resnet8} has no ${name}`);
    const raw = new Uint8Array(bytes);
    const values = new Float32Array(raw.buffer);
    values.forEach((value, i) => (values[i] = value * factor(i)));
    tensor.rawData = raw;
  };
  const draw = random(seed);
  for (const block of ["l1", "l2", "l3"]) {
    const channels = tensors.get(`${block}.bn1.weight`)?.dims[0];
    if (channels === undefined) throw new Error(`${resnet8} has no block ${block}`);
    const width = Number(channels);
    const powers = Array.from({ length: width }, () => 2 ** (draw.int(2 * OCTAVES + 1) - OCTAVES));
    const of = (channel: number): number => powers[channel] ?? 1;
    scale(`${block}.bn1.weight`, of);
    scale(`${block}.bn1.bias`, of);
    // [outputs, channels, 3, 3]
    scale(`${block}.conv2.weight`, (i) => 1 / of(Math.floor(i / 9) % width));
  }
  writeFileSync(target, toBinary(ModelProtoSchema, model));
}
