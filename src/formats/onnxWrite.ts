/**
 * A Model as an ONNX file. What was not changed is written from the messages it was read from,
 * fields we do not know included; weights are named by marker and never pass through the encoder.
 */
import { create } from "@bufbuild/protobuf";
import { graphKey, MAIN, mainGraph, type Model } from "../core/model.ts";
import { formatErrors } from "../shared/errors.ts";
import type { EncodedFile, EncodeOptions } from "./encoding.ts";
import { planExternal, type ExternalPlan } from "./onnxExternal.ts";
import { hiddenExternals } from "./onnxHidden.ts";
import {
  clear,
  EXTERNAL,
  externalEntries,
  writeGraph,
  type GraphWriter,
} from "./onnxWriteGraph.ts";
import { originOf, shallowCopy, type ModelOrigin } from "./onnxOrigin.ts";
import { skeletonPieces, type Pieces } from "./onnxSkeleton.ts";
import { markerBytes, type Marker } from "./onnxTensorFields.ts";
import {
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type ModelProto,
} from "./onnx_pb.ts";
import { neededIrVersion } from "./onnxVersions.ts";
import type { Payload } from "./payload.ts";

/** Where protobuf, and with it every ONNX reader, ends. */
const MAX_FILE_BYTES = 2 ** 31 - 1;
/** Reading number of the markers made here; those of files count from 1. */
const HERE = 0;

/** External data first, the model last, as they have to be written. @throws FormatError when the model passes 2 GiB and must not use external data. */
export function encodeOnnx(model: Model, options: EncodeOptions): EncodedFile[] {
  let plan = planExternal(model, options);
  let pieces = encodeWith(model, plan);
  if (pieces.sizeBytes > MAX_FILE_BYTES && options.externalData === "auto") {
    plan = planExternal(model, { ...options, externalData: "always" });
    pieces = encodeWith(model, plan);
  }
  if (pieces.sizeBytes > MAX_FILE_BYTES)
    throw formatErrors.tooLarge(
      model.files[0]?.path ?? "the model",
      "the size of the .onnx file to be written",
      pieces.sizeBytes,
      MAX_FILE_BYTES,
      "No ONNX reader takes a larger one; let the weights go to external data.",
    );
  return [...plan.files, { role: "model", name: null, ...pieces }];
}

function encodeWith(model: Model, plan: ExternalPlan): Pieces {
  const origin = originOf(model, "onnx model");
  const payloads: Payload[] = [];
  const irVersion = neededIrVersion(model);
  const writer: GraphWriter = {
    model,
    places: plan.places,
    markerOf: (payload) => markerBytes({ reading: HERE, index: payloads.push(payload) - 1 }),
    // From IR 4 on, an initializer that is also an input could be overridden by the caller, so that
    // runtimes no longer treat it as a constant; before, being an input was the rule.
    dropInitializerInputs: model.irVersion < 4 && irVersion >= 4,
  };
  const message = origin ? shallowCopy(origin.skeleton.message) : create(ModelProtoSchema);
  if (!origin || irVersion !== model.irVersion) message.irVersion = BigInt(irVersion);
  if (!origin && model.producer !== "") message.producerName = model.producer;
  writeOpsets(message, model, origin);
  writeMeta(message, model, origin);
  if (origin) {
    const kept = new Set(model.functions);
    message.functions = [...origin.functions].flatMap(([info, f]) => (kept.has(info) ? [f] : []));
  }
  message.graph = writeGraph(writer, model.graphs.get(graphKey(MAIN)) ?? mainGraph(model));
  return withHidden(model, writer, () =>
    skeletonPieces(message, (marker) => payloadOf(marker, payloads, origin)),
  );
}

/**
 * Encodes with the external tensors that a Model does not show pointing to where they will be. Their
 * messages are those of every Model of this reading, so they are put back.
 */
function withHidden<T>(model: Model, writer: GraphWriter, encode: () => T): T {
  const changed = [...hiddenExternals(model)].map(([message, tensor]) => {
    const before = shallowCopy(message);
    const place = writer.places.get(tensor);
    clear(message, "rawData");
    clear(message, "dataLocation");
    message.externalData = place ? externalEntries(place, before) : [];
    if (place) message.dataLocation = EXTERNAL;
    else message.rawData = writer.markerOf(tensor.at);
    return { message, before };
  });
  try {
    return encode();
  } finally {
    for (const { message, before } of changed) {
      clear(message, "rawData");
      Object.assign(message, before);
    }
  }
}

function payloadOf(
  marker: Marker,
  payloads: readonly Payload[],
  origin: ModelOrigin | null,
): Payload {
  const payload =
    marker.reading === HERE
      ? payloads[marker.index]
      : marker.reading === origin?.skeleton.reading
        ? origin.skeleton.payloads[marker.index]
        : undefined;
  if (!payload) throw new Error("a node of another model was put into this one as it was");
  return payload;
}

const sameMap = <K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

function writeOpsets(message: ModelProto, model: Model, origin: ModelOrigin | null): void {
  if (origin && sameMap(origin.opsets, model.opsets)) return;
  const before = new Map(
    message.opsetImport.map((entry) => [entry.domain === "ai.onnx" ? "" : entry.domain, entry]),
  );
  message.opsetImport = [...model.opsets].map(([domain, version]) => {
    const old = before.get(domain);
    if (old && Number(old.version) === version) return old;
    const entry = old
      ? shallowCopy(old)
      : create(OperatorSetIdProtoSchema, domain === "" ? {} : { domain });
    entry.version = BigInt(version);
    return entry;
  });
}

function writeMeta(message: ModelProto, model: Model, origin: ModelOrigin | null): void {
  if (origin && sameMap(origin.meta, model.meta)) return;
  const before = new Map(message.metadataProps.map((entry) => [entry.key, entry]));
  message.metadataProps = [...model.meta].map(([key, value]) => {
    const old = before.get(key);
    if (old?.value === value) return old;
    const entry = old ? shallowCopy(old) : create(StringStringEntryProtoSchema, { key });
    entry.value = value;
    return entry;
  });
}
