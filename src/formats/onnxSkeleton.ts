/** From an ONNX file to its skeleton message, and from a skeleton message to the pieces of a file. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { formatErrors } from "../shared/errors.ts";
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
  typedWidth,
  unpackVarints,
  type Marker,
} from "./onnxTensorFields.ts";
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
}

/** Tells the markers of one reading from those of another; only ever compared. */
let readings = 0;

/** @throws FormatError */
export function readSkeleton(source: ByteSource): Skeleton {
  const reading = ++readings;
  const payloads: Payload[] = [];
  const reader = new WireReader(source);
  let unpackedBytes = 0;

  const cut = (tensor: FoundTensor, data: DataField): Payload => {
    const range = { file: source.path, offset: data.from, length: data.to - data.from };
    if (data.field === TENSOR.rawData) return range;
    const name = FIELD_NAMES[data.field] ?? "data";
    const width = typedWidth(data.field, tensor.dataType);
    if (width === null)
      throw formatErrors.badTensor(
        source.path,
        tensor.name(),
        `has values of data type ${tensor.dataType} in ${name}`,
      );
    if (tensor.data.length > 1 || tensor.hasLooseValues)
      throw formatErrors.badTensor(source.path, tensor.name(), `has its ${name} in several parts`);
    // Packed floats and doubles are already what raw_data would be.
    if (data.field === 4 || data.field === 10) return range;
    unpackedBytes += range.length * width;
    if (unpackedBytes > MAX_UNPACKED_BYTES)
      throw formatErrors.tooLarge(
        source.path,
        `the size of ${name}`,
        unpackedBytes,
        MAX_UNPACKED_BYTES,
        "Numbers stored one by one have to be unpacked in memory; store them as raw_data.",
      );
    return unpackVarints(reader, data.from, data.to, width);
  };

  const { edits, sizeBytes } = rewriteTensors(reader, (tensor) =>
    tensor.data
      .filter((data) => data.marked || data.to - data.from > INLINE_BYTES)
      .map((data) => {
        const index = payloads.push(cut(tensor, data)) - 1;
        const marker = markerBytes({ reading, index });
        const head = Uint8Array.of(RAW_DATA_TAG, marker.length, ...marker);
        return { from: data.tagAt, to: data.to, head, payload: null };
      }),
  );
  if (sizeBytes > MAX_SKELETON_BYTES)
    throw formatErrors.tooLarge(
      source.path,
      "the size without tensor data",
      sizeBytes,
      MAX_SKELETON_BYTES,
      "The graph itself is held in memory; no known exporter writes such a large one.",
    );
  return { message: decode(source, applyEdits(source, edits, sizeBytes)), payloads, reading };
}

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
  const { edits, sizeBytes } = rewriteTensors(reader, (tensor) =>
    tensor.data.flatMap((data): Edit[] => {
      const marker = data.marked ? readMarker(bytes.subarray(data.from, data.to)) : null;
      if (!marker) return [];
      const payload = payloadOf(marker);
      const length = varintBytes(payloadBytes(payload));
      const head = Uint8Array.of(RAW_DATA_TAG, ...length);
      return [{ from: data.tagAt, to: data.to, head, payload }];
    }),
  );
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
