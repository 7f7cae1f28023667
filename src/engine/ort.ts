/**
 * The only file that knows onnxruntime. Loads it on first use, so that a child on a platform without
 * a binary still answers everything else; gives every failure of it a name.
 *
 * `run` and `createSession` block the event loop while the native code works and cannot be stopped:
 * callers look at their signal between calls, and whoever must stop at once ends the process.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { dtypeFromOnnx } from "../shared/dtype.ts";
import { engineErrors } from "../shared/errors.ts";
import type { HostTensor, IoInfo } from "../shared/hostTensor.ts";
import { refuseExpansion } from "./runtimeLimit.ts";

export interface SessionOptions {
  /** Threads within an operator; 0 is all cores. */
  readonly threads: number;
  readonly optimization: "disabled" | "basic" | "extended" | "all";
  /**
   * Weight-only quantized products in float32. By default the runtime fuses DequantizeLinear + MatMul
   * into a kernel that also rounds the activations to 8 bit (5e-3 relative error, ENGINE.md §2).
   */
  readonly exactWeights?: boolean;
  /**
   * False keeps weights where they are instead of copying them into kernel order: loads 1.5 GB of
   * external data in 61 ms instead of 1 to 3 s, and runs slower.
   */
  readonly prepack?: boolean;
  /** Path prefix of a Chrome trace of every operator, written when the session is released. */
  readonly profile?: string;
}

export interface Session {
  readonly inputs: readonly IoInfo[];
  readonly outputs: readonly IoInfo[];
  /**
   * One inference. Gives the outputs named in `fetch`, or all that are tensors.
   * @throws EngineError with the runtime's own words and the node it names.
   */
  run(
    feeds: ReadonlyMap<string, HostTensor>,
    fetch?: readonly string[],
  ): Promise<Map<string, HostTensor>>;
  /** One inference that writes the given outputs in place; one of them may also be an input. */
  runInto(
    feeds: ReadonlyMap<string, HostTensor>,
    targets: ReadonlyMap<string, HostTensor>,
  ): Promise<void>;
  /** Frees the model's memory and the file behind it; further calls do nothing. */
  release(): Promise<void>;
}

type Runtime = typeof import("onnxruntime-node");
let runtime: Promise<Runtime> | null = null;

/** The version of the runtime in use. @throws EngineError where there is none. */
export const runtimeVersion = async (): Promise<string> =>
  (await loadRuntime()).env.versions.node ?? "unknown";

function loadRuntime(): Promise<Runtime> {
  runtime ??= import("onnxruntime-node").then(withoutFloat16Array, (error: unknown) => {
    const known = textOf(error).includes("onnxruntime_binding.node");
    throw engineErrors.runtimeMissing(
      known
        ? `no onnxruntime binary for ${process.platform}-${process.arch}`
        : firstLine(textOf(error)),
    );
  });
  return runtime;
}

/**
 * Where the language has Float16Array (Node 24, current VS Code), onnxruntime's Tensor class wraps
 * one around float16 values and its native side then reads zero bytes of it. Tensor looks for that
 * class once, at its first use: hiding it for that moment keeps float16 as bits in a Uint16Array.
 */
function withoutFloat16Array(loaded: Runtime): Runtime {
  const hidden = Reflect.getOwnPropertyDescriptor(globalThis, "Float16Array");
  if (hidden) Reflect.deleteProperty(globalThis, "Float16Array");
  new loaded.Tensor("float32", new Float32Array(1), [1]);
  if (hidden) Reflect.defineProperty(globalThis, "Float16Array", hidden);
  return loaded;
}

/**
 * Loads a model: a path (external data is found beside it) or the bytes of a whole model.
 * @throws EngineError when there is no runtime here, it refuses the model, or it would not come back
 * from it (`refuseExpansion`).
 */
export async function createSession(
  source: string | Uint8Array,
  options: SessionOptions,
): Promise<Session> {
  const { InferenceSession, Tensor } = await loadRuntime();
  const path = typeof source === "string" ? source : "the model";
  if (typeof source === "string" && !existsSync(source)) throw engineErrors.notFound(source);
  refuseExpansion(source);
  const native = nativeOptions(options);
  let session: InferenceSession;
  try {
    session =
      typeof source === "string"
        ? await InferenceSession.create(source, native)
        : await InferenceSession.create(source, native);
  } catch (error) {
    throw loadError(path, error);
  }
  let released = false;
  const nativeTensors = (tensors: ReadonlyMap<string, HostTensor>): Record<string, Tensor> => {
    const out: Record<string, Tensor> = {};
    for (const [name, tensor] of tensors)
      out[name] = new Tensor(tensor.dtype as Tensor.Type, tensor.data, tensor.shape);
    return out;
  };
  const named = (error: unknown): Error => {
    const { reason, node } = readable(error);
    return engineErrors.runFailed(path, reason, node);
  };
  const outputs = session.outputMetadata.map(ioInfo);
  const tensors = outputs.filter((output) => output.dtype !== null).map(({ name }) => name);
  return {
    inputs: session.inputMetadata.map(ioInfo),
    outputs,
    async run(feeds, fetch = tensors) {
      try {
        const results = await session.run(nativeTensors(feeds), fetch);
        return new Map(fetch.map((name) => [name, hostTensor(results[name] as Tensor)]));
      } catch (error) {
        throw named(error);
      }
    },
    async runInto(feeds, targets) {
      try {
        await session.run(nativeTensors(feeds), nativeTensors(targets));
      } catch (error) {
        throw named(error);
      }
    },
    async release() {
      if (released) return;
      released = true;
      if (options.profile !== undefined) session.endProfiling();
      await session.release();
    },
  };
}

function nativeOptions(options: SessionOptions): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: options.threads === 0 ? availableParallelism() : options.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: options.optimization,
    // What the runtime has to say arrives as an exception; on stderr it would be said twice.
    logSeverityLevel: 4,
    ...(options.profile === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: options.profile }),
    extra: {
      session: {
        // Spinning threads take the machine from everyone else: 800 runs of 256³ took 621 ms instead
        // of 297 beside other work, and an idle session went on burning a core.
        intra_op: { allow_spinning: "0" },
        inter_op: { allow_spinning: "0" },
        ...(options.exactWeights === true ? { qdq_matmulnbits_accuracy_level: "0" } : {}),
        ...(options.prepack === false ? { disable_prepacking: "1" } : {}),
      },
    },
  };
}

function ioInfo(meta: InferenceSession.ValueMetadata): IoInfo {
  if (!meta.isTensor) return { name: meta.name, dtype: null, shape: [] };
  return {
    name: meta.name,
    dtype: meta.type,
    // A dimension without a name arrives as "".
    shape: meta.shape.map((dim) => (dim === "" ? null : dim)),
  };
}

const hostTensor = (tensor: Tensor): HostTensor => ({
  dtype: tensor.type,
  shape: tensor.dims,
  data: tensor.data,
});

function loadError(path: string, error: unknown): Error {
  const text = textOf(error);
  const code = /Unsupported data type: (\d+)/.exec(text)?.[1];
  if (code !== undefined)
    return engineErrors.boundaryType(path, dtypeFromOnnx(Number(code))?.name ?? `type ${code}`);
  const { reason, node } = readable(error);
  return engineErrors.runtimeRefuses(path, reason, node);
}

/** The runtime's text without its own prefixes and source positions; and the node it names, if any. */
function readable(error: unknown): { reason: string; node: string | null } {
  // Shape complaints go on over several lines; what comes after is the caller's own problem.
  const text = textOf(error)
    .trim()
    .split(/\s*\n\s*/)
    .slice(0, 6)
    .join(" ")
    .slice(0, 1000);
  const node =
    /\bNode ?\(([^)]+)\) Op/.exec(text)?.[1] ??
    /\bnode\. Name: ?'([^']*)'/.exec(text)?.[1] ??
    /\bnode with name '([^']*)'/.exec(text)?.[1] ??
    null;
  const reason = text
    .replace(/^.*?Load model from .*? failed: ?/, "")
    .replace(/^Exception during (?:loading|initialization): /, "")
    .replace(/ ?\S*\/onnxruntime\/core\/\S+:\d+ /, " ")
    .replace(/onnxruntime::[^:]*\([^)]*\)(?: const)? ?/, "")
    .trim();
  return { reason: reason === "" ? text : reason, node: node === "" ? null : node };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const firstLine = (text: string): string => text.trim().split("\n", 1)[0] ?? "";
