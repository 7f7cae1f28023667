/** Runs the models named in the first message; see runtime.ts. */
import { fromBinary } from "@bufbuild/protobuf";
import { createSession, type Session } from "../../src/engine/ort.ts";
import { ModelProtoSchema, TensorProtoSchema } from "../../src/formats/onnx_pb.ts";
import { readTensor, stringsOf } from "../../src/formats/onnxTensor.ts";
import { elementCount } from "../../src/shared/dtype.ts";
import { toFailure } from "../../src/shared/errors.ts";
import { hostData, type HostTensor } from "../../src/shared/hostTensor.ts";
import { NO_SIBLINGS } from "../formats/make.ts";
import { adapt, callerInputs, needsAdapting } from "./boundary.ts";
import { corpusCases, type CorpusCase } from "./cases.ts";
import { reencode, type Way } from "./reencode.ts";
import type { Message, Verdict } from "./runtime.ts";

/** What engineErrors.boundaryType says: the model was loaded, but JavaScript has no such values. */
const BOUNDARY = "cannot be exchanged with onnxruntime";
const say = (message: Message): void => void process.send?.(message);
const wordsOf = (error: unknown): string => toFailure(error).message.replace(/\s+/g, " ");

process.on("message", (names: readonly string[]) => {
  void work(new Set(names));
});

async function work(names: ReadonlySet<string>): Promise<void> {
  for (const one of corpusCases()) if (names.has(one.name)) say(await verdictOf(one));
  process.disconnect();
}

/** Outputs of one run, or why there are none. */
type Outputs = readonly HostTensor[] | string;
interface Tried {
  readonly refusal: string | null;
  /** One for each set of inputs. */
  readonly runs: readonly Outputs[];
}

async function verdictOf(one: CorpusCase): Promise<Verdict> {
  const { name, model } = one;
  say({ begins: "the original" });
  const original = await attempt(model, one);
  // Random operators without a seed give other numbers each time.
  const again = await attempt(model, one);
  const notRun =
    original.runs.find((run) => typeof run === "string") ??
    (original.runs.length === 0 ? (original.refusal ?? "there are no inputs for it") : null) ??
    (difference(original, again) === null ? null : "its outputs are random");
  const written: Verdict["written"][number][] = [];
  for (const way of ["kept", "rebuilt"] satisfies Way[]) {
    say({ begins: way });
    const tried = await attempt(reencode(model, way), one);
    written.push({
      way,
      refusal: tried.refusal,
      difference: notRun === null ? difference(original, tried) : null,
    });
  }
  return { name, refusal: original.refusal, written, notRun };
}

async function attempt(bytes: Uint8Array, { sets }: CorpusCase): Promise<Tried> {
  const message = fromBinary(ModelProtoSchema, bytes);
  const adapted = needsAdapting(message);
  const names = message.graph ? callerInputs(message.graph).map(({ name }) => name) : [];
  const refusal = await refusalOf(bytes);
  const runs: Outputs[] = [];
  for (const { inputs, outputs } of sets) {
    const given = new Map(inputs.map((file, i) => [names[i] ?? "", file]));
    runs.push(await run(adapted ? adapt(bytes, inputs, outputs) : bytes, given));
  }
  return { refusal, runs };
}

const open = (bytes: Uint8Array): Promise<Session> =>
  createSession(bytes, { threads: 1, optimization: "all" });

/** The runtime loads a model before it looks at the types of its inputs and outputs. */
async function refusalOf(bytes: Uint8Array): Promise<string | null> {
  try {
    await (await open(bytes)).release();
    return null;
  } catch (error) {
    return wordsOf(error).includes(BOUNDARY) ? null : wordsOf(error);
  }
}

async function run(bytes: Uint8Array, inputs: ReadonlyMap<string, Uint8Array>): Promise<Outputs> {
  let session: Session | null = null;
  try {
    session = await open(bytes);
    const feeds = session.inputs.map(({ name }) => [name, inputOf(inputs.get(name))] as const);
    return [...(await session.run(new Map(feeds))).values()];
  } catch (error) {
    return wordsOf(error);
  } finally {
    await session?.release();
  }
}

function inputOf(file: Uint8Array | undefined): HostTensor {
  if (!file) throw new Error("there is no file for an input");
  const message = fromBinary(TensorProtoSchema, file);
  const reader = { path: "input", payloads: [], siblings: NO_SIBLINGS, externalFiles: new Map() };
  const tensor = readTensor(reader, message, "the input");
  if (!(tensor?.at instanceof Uint8Array)) throw new Error("an input has an unknown type");
  const { name, kind } = tensor.dtype;
  const data = hostData(name, elementCount(tensor.shape));
  if (!data) throw new Error(`inputs of type ${name} cannot be given`);
  if (Array.isArray(data)) {
    const strings = stringsOf(tensor.at).map((text) => new TextDecoder().decode(text));
    return { dtype: name, shape: tensor.shape, data: kind === "string" ? strings : data };
  }
  new Uint8Array(data.buffer).set(tensor.at);
  return { dtype: name, shape: tensor.shape, data };
}

/** Null when all outputs are the same, bit for bit. */
function difference(a: Tried, b: Tried): string | null {
  for (const [i, run] of a.runs.entries()) {
    const other = b.runs[i] ?? "it was not run";
    if (typeof run === "string" || typeof other === "string")
      return typeof other === "string" ? other : null;
    for (const [k, output] of run.entries()) {
      const twin = other[k];
      if (output.dtype !== twin?.dtype || output.shape.join() !== twin.shape.join())
        return `output ${k} is ${twin?.dtype} [${twin?.shape.join()}] instead of ${output.dtype} [${output.shape.join()}]`;
      if (!sameData(output.data, twin.data)) return `output ${k} has other values`;
    }
  }
  return null;
}
function sameData(a: HostTensor["data"], b: HostTensor["data"]): boolean {
  if (Array.isArray(a) || Array.isArray(b)) return JSON.stringify(a) === JSON.stringify(b);
  const bytes = (data: Exclude<HostTensor["data"], string[]>): Buffer =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return bytes(a).equals(bytes(b));
}
