/**
 * Walks an ONNX file without reading its tensor data, and rewrites it around that data.
 *
 * Reading replaces each large payload by a short marker, which leaves a "skeleton" small enough for
 * the protobuf library; writing replaces the markers by payloads. Both are the same walk: it finds
 * the data of every TensorProto, wherever tensors occur, and every text that has more than ASCII,
 * and gives the edits that exchange them, the lengths of all messages around included.
 */
import { formatErrors } from "../shared/errors.ts";
import { MODEL_SHAPE, type FieldShape, type MessageShape } from "./onnxShape.ts";
import {
  INLINE_BYTES,
  isMarked,
  MARKER_BYTES,
  TENSOR,
  type FieldPart,
} from "./onnxTensorFields.ts";
import type { Payload } from "./payload.ts";
import { concatBytes, varintBytes, type WireReader } from "./wire.ts";

/** 64 subgraphs inside one another are graph, node and attribute each, and some for the rest. */
const MAX_DEPTH = 3 * 64 + 16;
/** Fields in one file. Tree ensembles store each number as one; the largest have some 10^7. */
const MAX_FIELDS = 20_000_000;
/** Messages take some 500 bytes each in memory. The largest real graphs have some 10^5 nodes of ten. */
const MAX_MESSAGES = 3_000_000;

/** One occurrence of a data field in a TensorProto, or a run of values that are not packed. */
export interface DataField extends FieldPart {
  readonly field: number;
  readonly tagAt: number;
  /** The content starts as a marker does. */
  readonly marked: boolean;
}

export interface FoundTensor {
  /** `TensorProto.DataType`, 0 when the field is absent. */
  readonly dataType: number;
  /** For error texts. */
  name(): string;
  /** In file order. `from` and `to` leave out tag and length, but for loose values. */
  readonly data: readonly DataField[];
  /** Other parts of this tensor are elsewhere: protobuf merges a message that is there twice. */
  readonly isPart: boolean;
}

/** Bytes [from, to) become `head` and then the payload. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly head: Uint8Array;
  readonly payload: Payload | null;
}
export const payloadBytes = (payload: Payload | null): number => payload?.length ?? 0;

export interface Rewrite {
  readonly edits: readonly Edit[];
  readonly sizeBytes: number;
}

export interface Decisions {
  /** The edits of one tensor, in any order; may move the reader. */
  tensor(found: FoundTensor): readonly Edit[];
  /** What stands for a string with bytes over 127; null leaves it. `read` gives the bytes. */
  text(read: () => Uint8Array): Uint8Array | null;
}

interface Content {
  readonly lengthAt: number;
  readonly from: number;
  readonly to: number;
}

/**
 * @throws FormatError with the byte offset for anything that is not a well-formed ONNX file.
 */
export function rewriteTensors(reader: WireReader, decide: Decisions): Rewrite {
  const { path, sizeBytes } = reader.source;
  const edits: Edit[] = [];
  const trail: string[] = [];
  let fields = 0;
  let messages = 0;
  const place = (field: FieldShape | undefined, number: number): string =>
    [...trail, field?.name ?? `field ${number}`].join(".");

  const skip = (length: number, end: number, what: () => string): void => {
    const { position } = reader;
    if (position + length > end) {
      if (end === sizeBytes)
        throw formatErrors.truncated(path, position, what(), length, end - position);
      throw formatErrors.notOnnx(path, position, `${what()} is longer than what holds it`);
    }
    reader.position = position + length;
  };

  /** Passes over an unknown group (wire types 3 and 4, long deprecated). */
  const skipGroup = (number: number, end: number): void => {
    const open = [number];
    while (open.length > 0) {
      const at = reader.position;
      const tag = reader.varint(end, "a group");
      const wire = tag % 8;
      if (wire === 3) open.push(Math.floor(tag / 8));
      else if (wire !== 4) skipValue(wire, end, () => `field ${Math.floor(tag / 8)}`, at);
      else if (open.pop() !== Math.floor(tag / 8))
        throw formatErrors.notOnnx(path, at, "a group ends that did not start");
      if (open.length > MAX_DEPTH) throw formatErrors.notOnnx(path, at, "groups nest too deeply");
    }
  };

  const skipValue = (wire: number, end: number, what: () => string, at: number): void => {
    if (++fields > MAX_FIELDS)
      throw formatErrors.tooLarge(path, "the number of fields", fields, MAX_FIELDS, TOO_MANY);
    switch (wire) {
      case 0:
        reader.varint64(end, "a number");
        return;
      case 1:
        return skip(8, end, what);
      case 2:
        return skip(reader.varint(end, "a length"), end, what);
      case 5:
        return skip(4, end, what);
      default:
        throw formatErrors.notOnnx(path, at, `${what()} has the wire type ${wire}`);
    }
  };

  /** Gives by how much the message grows. */
  const walk = (shape: MessageShape, end: number, isPart: boolean): number => {
    if (trail.length > MAX_DEPTH)
      throw formatErrors.tooLarge(path, "the nesting depth", trail.length, MAX_DEPTH, TOO_DEEP);
    const isTensor = shape.name === "TensorProto";
    const data: DataField[] = [];
    const parts = new Set<number>();
    let dataType = 0;
    let nameRange: Content | null = null;
    let growth = 0;
    const firstEdit = edits.length;
    while (reader.position < end) {
      const tagAt = reader.position;
      const tag = reader.varint(end, "a tag");
      const number = Math.floor(tag / 8);
      const wire = tag % 8;
      const field = shape.fields[number];
      if (number === 0 || number >= 2 ** 29)
        throw formatErrors.notOnnx(path, tagAt, `there is no field ${number} in ${shape.name}`);
      if (!field && wire === 3) {
        skipGroup(number, end);
        continue;
      }
      const packed = wire === 2 && field?.packable === true;
      if (field && wire !== field.wire && !packed)
        throw formatErrors.notOnnx(
          path,
          tagAt,
          `${place(field, number)} has the wire type ${wire}`,
        );
      if (field?.message) {
        if (++messages > MAX_MESSAGES)
          throw formatErrors.tooLarge(
            path,
            "the number of messages",
            messages,
            MAX_MESSAGES,
            TOO_MANY,
          );
        const isPart = field.isTensor && (parts.has(number) || comesAgain(number, end));
        if (isPart) parts.add(number);
        growth += walkChild(field, field.message, end, isPart);
        continue;
      }
      if (isTensor && number === TENSOR.dataType) {
        dataType = reader.varint64(end, "data_type");
        continue;
      }
      skipValue(wire, end, () => place(field, number), tagAt);
      if (isTensor && TENSOR.data.has(number)) {
        addData(data, number, tagAt, wire !== 2);
        continue;
      }
      if (isTensor && number === TENSOR.name) nameRange = lastContent(tagAt);
      if (field?.isText === true) growth += exchangeText(tagAt);
      // A packed list grows into one number per byte at most.
      if (packed) fields += reader.position - tagAt;
    }
    if (!isTensor || data.length === 0) return growth;
    const name = (): string => readName(nameRange);
    for (const edit of decide.tensor({ dataType, data, name, isPart })) {
      edits.push(edit);
      growth += edit.head.length + payloadBytes(edit.payload) - (edit.to - edit.from);
    }
    // Texts of the tensor may lie before and behind its data.
    if (edits.length > firstEdit + 1)
      for (const edit of edits.splice(firstEdit).sort((a, b) => a.from - b.from)) edits.push(edit);
    reader.position = end;
    return growth;
  };

  /** Gives by how much the text just passed grows. */
  const exchangeText = (tagAt: number): number => {
    const { lengthAt, from, to } = lastContent(tagAt);
    if (to - from > MAX_TEXT)
      throw formatErrors.tooLarge(path, "the length of a text", to - from, MAX_TEXT, TOO_LONG);
    reader.position = from;
    const exchanged = reader.hasHighByte(to)
      ? decide.text(() => reader.source.read(from, to - from))
      : null;
    reader.position = to;
    if (exchanged === null) return 0;
    const head = concatBytes([varintBytes(exchanged.length), exchanged]);
    edits.push({ from: lengthAt, to, head, payload: null });
    return head.length - (to - lengthAt);
  };

  /** Whether a length-delimited field with that number follows the one that begins here. */
  const comesAgain = (number: number, end: number): boolean => {
    const { position } = reader;
    let found = false;
    skip(reader.varint(end, "a length"), end, () => trail.join("."));
    while (!found && reader.position < end) {
      const at = reader.position;
      const tag = reader.varint(end, "a tag");
      found = tag === number * 8 + 2;
      if (tag % 8 === 3) skipGroup(Math.floor(tag / 8), end);
      else skipValue(tag % 8, end, () => `field ${Math.floor(tag / 8)}`, at);
    }
    reader.position = position;
    return found;
  };

  const walkChild = (
    field: FieldShape,
    shape: MessageShape,
    end: number,
    isPart: boolean,
  ): number => {
    const lengthAt = reader.position;
    const length = reader.varint(end, "a length");
    const from = reader.position;
    trail.push(field.name);
    skip(length, end, () => trail.join("."));
    reader.position = from;
    const slot = edits.length;
    edits.push({ from: lengthAt, to: from, head: new Uint8Array(0), payload: null });
    const growth = walk(shape, from + length, isPart);
    trail.pop();
    if (edits.length === slot + 1) {
      edits.pop();
      return 0;
    }
    const head = varintBytes(length + growth);
    edits[slot] = { from: lengthAt, to: from, head, payload: null };
    return growth + head.length - (from - lengthAt);
  };

  /** Where the length-delimited field just passed lies. */
  const lastContent = (tagAt: number): Content => {
    const to = reader.position;
    reader.position = tagAt;
    reader.varint(to, "a tag");
    const lengthAt = reader.position;
    reader.varint(to, "a length");
    const from = reader.position;
    reader.position = to;
    return { lengthAt, from, to };
  };
  /** Takes in the data field just passed. */
  const addData = (data: DataField[], field: number, tagAt: number, loose: boolean): void => {
    const to = reader.position;
    const last = data.at(-1);
    if (!loose) {
      const { from } = lastContent(tagAt);
      let marked = false;
      if (field === TENSOR.rawData && to - from >= MARKER_BYTES && to - from <= INLINE_BYTES) {
        reader.position = from;
        marked = isMarked(reader.peek(MARKER_BYTES));
        reader.position = to;
      }
      data.push({ field, tagAt, from, to, loose, marked });
    } else if (last?.loose === true && last.field === field && last.to === tagAt)
      data[data.length - 1] = { ...last, to };
    else data.push({ field, tagAt, from: tagAt, to, loose, marked: false });
  };
  const readName = (range: Content | null): string =>
    range === null
      ? ""
      : new TextDecoder().decode(
          reader.source.read(range.from, Math.min(MAX_NAME, range.to - range.from)),
        );

  const growth = walk(MODEL_SHAPE, sizeBytes, false);
  return { edits, sizeBytes: sizeBytes + growth };
}

/** For error texts only. */
const MAX_NAME = 200;
/** Texts are held in memory, and names of this length would not be shown anywhere. */
const MAX_TEXT = 64 * 1024 * 1024;
const TOO_LONG = "Texts are held in memory; no known exporter writes such a long one.";
const TOO_MANY = "So many do not fit in memory; no known exporter writes such a graph.";
const TOO_DEEP = "Subgraphs may lie up to 64 deep inside one another.";
