/** An ONNX file as a tree of fields, so that a mutation can keep all lengths right and go deeper. */
import { concatBytes, memorySource, varintBytes, WireReader } from "../../src/formats/wire.ts";
import { MODEL_SHAPE, type MessageShape } from "../../src/formats/onnxShape.ts";

export interface Field {
  number: number;
  wire: number;
  /** Content without tag and length; of a number its bytes. */
  bytes: Uint8Array;
  /** The fields inside, where it is a message; they go before `bytes`. */
  fields: Field[] | null;
  /** What the length says, where it lies. */
  lie: number | null;
}

/** @throws for anything that is not well-formed; seeds are. */
export function parseTree(bytes: Uint8Array, shape: MessageShape = MODEL_SHAPE): Field[] {
  const reader = new WireReader(memorySource("a seed", bytes));
  const out: Field[] = [];
  while (reader.position < bytes.length) {
    const tag = reader.varint(bytes.length, "a tag");
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    const from = reader.position;
    const take = (length: number): Uint8Array => {
      reader.position += length;
      return bytes.subarray(reader.position - length, reader.position);
    };
    let content: Uint8Array;
    if (wire === 0) {
      reader.varintPair(bytes.length, "a number");
      content = bytes.subarray(from, reader.position);
    } else if (wire === 2) content = take(reader.varint(bytes.length, "a length"));
    else content = take(wire === 1 ? 8 : wire === 5 ? 4 : 0);
    const inner = shape.fields[number]?.message ?? null;
    const fields = wire === 2 && inner ? parseTree(content, inner) : null;
    out.push({ number, wire, bytes: content, fields, lie: null });
  }
  return out;
}

export function treeBytes(fields: readonly Field[]): Uint8Array {
  return concatBytes(
    fields.flatMap(({ number, wire, bytes, fields: inner, lie }) => {
      const tag = varintBytes(number * 8 + wire);
      const content = inner ? treeBytes(inner) : bytes;
      return wire === 2 ? [tag, varintBytes(lie ?? content.length), content] : [tag, content];
    }),
  );
}

/** All messages of the tree, as lists of fields. */
export function messagesOf(fields: Field[]): Field[][] {
  return [fields, ...fields.flatMap((field) => (field.fields ? messagesOf(field.fields) : []))];
}
