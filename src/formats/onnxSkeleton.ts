/** From an ONNX file to its skeleton message, and from a skeleton message to the pieces of a file. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { dtypeFromOnnx } from "../shared/dtype.ts";
import { formatErrors, type FormatError } from "../shared/errors.ts";
import type { ByteSource, Piece } from "./byteSource.ts";
import { ModelProtoSchema, type ModelProto } from "./onnx_pb.ts";
import {
  payloadBytes,
  rewriteTensors,
  type DataField,
  type Edit,
  type FoundTensor,
} from "./onnxScan.ts";
import {
  FIELD_NAMES,
  INLINE_BYTES,
  markerBytes,
  RAW_DATA_TAG,
  readMarker,
  TENSOR,
  gatherParts,
  packed,
  typedWidth,
  type Marker,
} from "./onnxTensorFields.ts";
import { escapeText, unescapeText } from "./onnxText.ts";
import type { Payload } from "./payload.ts";
import { concatBytes, memorySource, varintBytes, WireReader } from "./wire.ts";

/** Without payloads the largest known graphs have some tens of megabytes. */
const MAX_SKELETON_BYTES = 256 * 1024 * 1024;
/** Numbers that are not raw bytes have to be held in memory. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;
const RECURSION_LIMIT = 400;

export interface Skeleton {
  readonly message: ModelProto;
  /** What the markers of this reading stand for, by index. */
  readonly payloads: readonly Payload[];
  readonly reading: number;
  /** Texts in it that are not UTF-8. */
  readonly strangeTexts: number;
}

/** Tells the markers of one reading from those of another; only ever compared. */
let readings = 0;

/** @throws FormatError */
export function readSkeleton(source: ByteSource): Skeleton {
  const reading = ++readings;
  const payloads: Payload[] = [];
  const reader = new WireReader(source);
  let unpackedBytes = 0;
  let strangeTexts = 0;

  const unpack = (tensor: FoundTensor, parts: readonly DataField[], width: 1 | 2 | 4 | 8) => {
    const { field } = parts[0] ?? { field: 0 };
    const isFloat = field === FLOATS || field === DOUBLES;
    const [only] = parts;
    // Packed floats and doubles are already what raw_data would be.
    if (isFloat && parts.length === 1 && only?.loose === false) return rangeOf(only);
    const sizeOf = ({ from, to }: DataField): number => (to - from) * (isFloat ? 1 : width);
    unpackedBytes += parts.reduce((sum, part) => sum + sizeOf(part), 0);
    if (unpackedBytes > MAX_UNPACKED_BYTES)
      throw formatErrors.tooLarge(
        source.path,
        `the size of ${FIELD_NAMES[field] ?? "data"}`,
        unpackedBytes,
        MAX_UNPACKED_BYTES,
        "Numbers stored one by one have to be unpacked in memory; store them as raw_data.",
      );
    return packed(tensor.dataType, gatherParts(reader, parts, width, isFloat));
  };
  const rangeOf = ({ from, to }: DataField): Payload => ({
    file: source.path,
    offset: from,
    length: to - from,
  });
  const cut = ({ tagAt, to }: DataField, payload: Payload): Edit => {
    const index = payloads.push(payload) - 1;
    const marker = markerBytes({ reading, index });
    const head = Uint8Array.of(RAW_DATA_TAG, marker.length, ...marker);
    return { from: tagAt, to, head, payload: null };
  };
  const drop = ({ tagAt, to }: DataField): Edit => ({
    from: tagAt,
    to,
    head: new Uint8Array(0),
    payload: null,
  });

  /**
   * Each type belongs in one of the fields; raw_data goes before it, and of several raw_data the last
   * one counts, as protobuf has it. What no reader looks at is left out where it is large.
   */
  const tensor = (found: FoundTensor): Edit[] => {
    const raw = found.data.filter(({ field }) => field === TENSOR.rawData);
    const rawCuts = raw
      .filter((part) => part.marked || isLarge([part]))
      .map((part) => cut(part, rangeOf(part)));
    // Only the protobuf library sees the whole of a merged tensor, and of one of an unknown type.
    if (found.isPart || !dtypeFromOnnx(found.dataType)) return rawCuts;
    const typed = found.data.filter(({ field }) => field !== TENSOR.rawData);
    const widthOf = ({ field }: DataField) => typedWidth(field, found.dataType);
    const own = raw.length > 0 ? [] : typed.filter((part) => widthOf(part) !== null);
    const [first, ...rest] = own;
    const width = first ? widthOf(first) : null;
    const typedCuts =
      first && width !== null && isLarge(own)
        ? [cut(first, unpack(found, own, width)), ...rest.map(drop)]
        : [];
    const foreign = own.length === 0 ? typed : typed.filter((part) => widthOf(part) === null);
    if (!isLarge(foreign)) return [...rawCuts, ...typedCuts];
    if (raw.length + own.length === 0) throw misplaced(source.path, found, foreign);
    return [...rawCuts, ...typedCuts, ...foreign.map(drop)];
  };

  const { edits, sizeBytes } = rewriteTensors(reader, {
    tensor,
    text: (read) => {
      const escaped = escapeText(read());
      if (escaped) strangeTexts++;
      return escaped;
    },
  });
  if (sizeBytes > MAX_SKELETON_BYTES)
    throw formatErrors.tooLarge(
      source.path,
      "the size without tensor data",
      sizeBytes,
      MAX_SKELETON_BYTES,
      "The graph itself is held in memory; no known exporter writes such a large one.",
    );
  const message = decode(source, applyEdits(source, edits, sizeBytes));
  return { message, payloads, reading, strangeTexts };
}

const FLOATS = 4;
const DOUBLES = 10;
const isLarge = (parts: readonly DataField[]): boolean =>
  parts.reduce((sum, { from, to }) => sum + to - from, 0) > INLINE_BYTES;
const misplaced = (path: string, tensor: FoundTensor, parts: readonly DataField[]): FormatError => {
  const names = new Set(parts.map(({ field }) => FIELD_NAMES[field] ?? `field ${field}`));
  const problem = `has values of data type ${tensor.dataType} in ${[...names].join(" and ")}`;
  return formatErrors.badTensor(path, tensor.name(), problem);
};

function decode(source: ByteSource, skeleton: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, skeleton, { recursionLimit: RECURSION_LIMIT });
  } catch (error) {
    // The walk before has checked lengths and wire types, so this is all but impossible.
    throw formatErrors.notOnnx(
      source.path,
      0,
      error instanceof Error ? error.message : String(error),
    );
  }
}

const COPY_BYTES = 1024 * 1024;

function applyEdits(source: ByteSource, edits: readonly Edit[], sizeBytes: number): Uint8Array {
  const out = new Uint8Array(sizeBytes);
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    out.set(bytes, at);
    at += bytes.length;
  };
  const copy = (from: number, to: number): void => {
    for (let position = from; position < to; position += COPY_BYTES)
      put(source.read(position, Math.min(COPY_BYTES, to - position)));
  };
  let done = 0;
  for (const edit of edits) {
    copy(done, edit.from);
    put(edit.head);
    done = edit.to;
  }
  copy(done, source.sizeBytes);
  return out;
}

export interface Pieces {
  readonly pieces: readonly Piece[];
  readonly sizeBytes: number;
}

/** The file a skeleton message stands for; payloads are named, never read. */
export function skeletonPieces(
  message: ModelProto,
  payloadOf: (marker: Marker) => Payload,
): Pieces {
  const bytes = toBinary(ModelProtoSchema, message);
  const reader = new WireReader(memorySource("the new model", bytes));
  const { edits, sizeBytes } = rewriteTensors(reader, {
    tensor: ({ data }) =>
      data.flatMap((part): Edit[] => {
        const marker = part.marked ? readMarker(bytes.subarray(part.from, part.to)) : null;
        if (!marker) return [];
        const payload = payloadOf(marker);
        const length = varintBytes(payloadBytes(payload));
        const head = Uint8Array.of(RAW_DATA_TAG, ...length);
        return [{ from: part.tagAt, to: part.to, head, payload }];
      }),
    text: (read) => unescapeText(read()),
  });
  // Heads and what lies between edits are joined, so that a file of many small tensors is few pieces.
  const pieces: Piece[] = [];
  let pending: Uint8Array[] = [];
  const flush = (): void => {
    if (pending.length > 0) pieces.push(concatBytes(pending));
    pending = [];
  };
  let done = 0;
  for (const edit of edits) {
    pending.push(bytes.subarray(done, edit.from), edit.head);
    done = edit.to;
    if (edit.payload instanceof Uint8Array) pending.push(edit.payload);
    else if (edit.payload) {
      flush();
      pieces.push(edit.payload);
    }
  }
  pending.push(bytes.subarray(done));
  flush();
  return { pieces, sizeBytes };
}
