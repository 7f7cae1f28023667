/** What a model states of the content of its external data files (`checksum` in `external_data`). */
import { atNode, inGraph, NOWHERE, type Place } from "../core/validate/finding.ts";
import { tensorsOf, type Model, type Tensor } from "../core/model.ts";
import { statedChecksum } from "./onnxExternal.ts";
import { hiddenExternals } from "./onnxHidden.ts";

export interface StatedChecksum {
  /** The SHA-1 of `file` as the model states it; not necessarily one. */
  readonly checksum: string;
  readonly file: string;
  /** Of the first tensor that states it. */
  readonly place: Place;
  readonly tensor: string;
  /** How many tensors state it of this file. */
  readonly tensors: number;
}

/** Of tensors that are as they were read; once per file and text. */
export function statedChecksums(model: Model): StatedChecksum[] {
  const found = new Map<string, StatedChecksum>();
  const add = (tensor: Tensor, place: Place): void => {
    const checksum = statedChecksum(tensor);
    if (checksum === null || tensor.at instanceof Uint8Array) return;
    const { file } = tensor.at;
    const key = `${checksum}\n${file}`;
    const known = found.get(key);
    found.set(
      key,
      known
        ? { ...known, tensors: known.tensors + 1 }
        : { checksum, file, place, tensor: tensor.name, tensors: 1 },
    );
  };
  for (const { graph, tensor, node } of tensorsOf(model))
    add(tensor, node ? atNode(graph.path, null, node) : inGraph(graph, null, tensor.name));
  for (const tensor of hiddenExternals(model).values())
    add(tensor, { ...NOWHERE, value: tensor.name === "" ? null : tensor.name });
  return [...found.values()];
}
