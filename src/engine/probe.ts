/**
 * How far the outputs move when single activations are rounded: one temporary model with a switch
 * after every candidate, one session, one switch thrown at a time.
 *
 * Instead of x + f·(DQ(Q(x)) − x) the switch is Where(f, DQ(Q(x)), x): with f off it passes the very
 * same bits, and a mask of −3.4e38, whose rounded form may be infinite, cannot make 0 · ∞ = NaN.
 */
import type { Rounding, RoundingDrift } from "../core/context.ts";
import {
  graphKey,
  MAIN,
  mainGraph,
  type Graph,
  type GraphNode,
  type Model,
  type Tensor,
  type Value,
} from "../core/model.ts";
import type { BoundData } from "../data/bind.ts";
import { openData } from "../data/open.ts";
import { calibrationSpan } from "../data/splits.ts";
import { dtype, type DtypeName } from "../shared/dtype.ts";
import { engineErrors } from "../shared/errors.ts";
import type { HostTensor } from "../shared/hostTensor.ts";
import type { Task } from "../shared/task.ts";
import { exposing } from "./capture.ts";
import { outputMeter, type OutputBatch, type OutputMeter } from "./metrics/outputs.ts";
import type { Session } from "./ort.ts";
import { numbersIn, runOnData, type RunBatch } from "./sampleRuns.ts";
import { breathe } from "./saveWrite.ts";

export interface ProbeScene {
  readonly model: Model;
  readonly data: string;
  /** 0 is all cores. */
  readonly threads: number;
  /** An empty folder, removed by who gave it. */
  readonly folder: string;
}

/** Samples of calibration data looked at: KL ranks tensors with few, and every set runs all of them. */
const MOST_SAMPLES = 16;
/** Runs of one sample in all; fewer samples where there are many sets (chargpt_s: 8 windows of 128 tokens). */
const MOST_RUNS = 1200;
const LEAST_SAMPLES = 4;

/**
 * For each set of values, all rounded at once, how far the outputs are from those with none rounded.
 * @throws EngineError `unmeasured` for a value that cannot be switched; DataError, Cancelled
 */
export async function probeRounding(
  { model, data, threads, folder }: ProbeScene,
  roundings: readonly Rounding[],
  sets: readonly (readonly string[])[],
  task: Task,
): Promise<readonly RoundingDrift[]> {
  if (sets.length === 0) return [];
  const { switched, flags } = withSwitches(model, roundings);
  const exposer = exposing(switched, [], { folder, threads }, task);
  try {
    return await exposer.use([], async (session) => {
      const own = session.inputs.filter(({ name }) => ![...flags.values()].includes(name));
      const bound = await openData(data, { ...session, inputs: own }, "calibration");
      const { to } = calibrationSpan(bound.count);
      const fair = Math.max(LEAST_SAMPLES, Math.floor(MOST_RUNS / (sets.length + 1)));
      const range = { from: 0, to: Math.min(to, MOST_SAMPLES, fair) };
      const run = async (on: ReadonlySet<string>): Promise<readonly RunBatch[]> => {
        const out: RunBatch[] = [];
        const names = session.outputs.filter(isNumeric).map(({ name }) => name);
        const fed = feeding(session, flags, on);
        for await (const batch of runOnData(fed, bound, range, names, task.signal)) out.push(batch);
        return out;
      };
      const reference = await run(new Set());
      const drifts: RoundingDrift[] = [];
      for (const [i, set] of sets.entries()) {
        await breathe(task);
        drifts.push(driftOf(reference, await run(new Set(set)), isScored(bound)));
        task.progress((i + 1) / sets.length, "rounding one tensor at a time");
      }
      return drifts;
    });
  } finally {
    await exposer.remove();
  }
}

const isNumeric = ({ dtype: type }: Session["outputs"][number]): boolean =>
  type !== null && type !== "string";

/** Distances between regressions are no divergences of predictions. */
const isScored = ({ task }: BoundData): boolean =>
  task === null || task === "classification" || task === "language-model";

/** The session with its switches in place. */
function feeding(
  session: Session,
  flags: ReadonlyMap<string, string>,
  on: ReadonlySet<string>,
): Session {
  const state = new Map(
    [...flags].map(([value, flag]): [string, HostTensor] => [
      flag,
      { dtype: "bool", shape: [], data: Uint8Array.of(on.has(value) ? 1 : 0) },
    ]),
  );
  return { ...session, run: (feeds, fetch) => session.run(new Map([...feeds, ...state]), fetch) };
}

/** The worst of all outputs. */
function driftOf(
  reference: readonly RunBatch[],
  rounded: readonly RunBatch[],
  scored: boolean,
): RoundingDrift {
  const names = [...(reference[0]?.outputs.keys() ?? [])];
  let worst: RoundingDrift = { kl: null, noise: 0 };
  for (const name of names) {
    const meter = outputMeter(name, scored);
    reference.forEach((batch, i) => {
      const [before, after] = [numbersIn(batch, name), rounded[i] && numbersIn(rounded[i], name)];
      if (before && after) addBatch(meter, before, after, batch.count);
    });
    const { kl, mse } = meter.result();
    const sum = (squares: readonly number[]): number => squares.reduce((a, b) => a + b, 0);
    // Null figures mean outputs that are NaN or infinite.
    const noise = mse === null ? Infinity : ratio(sum(meter.noises), sum(meter.signals));
    worst = {
      kl: kl === null ? worst.kl : Math.max(kl, worst.kl ?? 0),
      noise: Math.max(noise, worst.noise),
    };
  }
  return worst;
}

function addBatch(
  meter: OutputMeter,
  before: OutputBatch,
  after: OutputBatch,
  count: number,
): void {
  for (let sample = 0; sample < count; sample++) meter.add(before, sample, after, sample);
}

const ratio = (noise: number, signal: number): number => (noise === 0 ? 0 : noise / signal);

/** The model with every value behind a switch, and the switches' input names by value. */
function withSwitches(
  model: Model,
  roundings: readonly Rounding[],
): { readonly switched: Model; readonly flags: ReadonlyMap<string, string> } {
  const main = mainGraph(model);
  const taken = new Set(
    [...model.graphs.values()].flatMap((graph) => [
      ...graph.inputs,
      ...graph.tensors.keys(),
      ...graph.nodes.flatMap(({ outputs }) => outputs),
    ]),
  );
  const fresh = (base: string): string => {
    let name = base;
    for (let n = 1; taken.has(name); n++) name = `${base}_${n}`;
    taken.add(name);
    return name;
  };
  const flags = new Map<string, string>();
  const tensors = new Map(main.tensors);
  const values = new Map(main.values);
  // A value a node makes keeps its name behind the switch, so that subgraphs and outputs see it.
  const switches = new Map<string, readonly GraphNode[]>();
  const before = new Map<string, string>();
  const behind = new Map<string, string>();
  const isInput = new Set(main.inputs);
  const made = new Set(main.nodes.flatMap(({ outputs }) => outputs));
  for (const rounding of roundings) {
    const { value } = rounding;
    if (!made.has(value) && !isInput.has(value))
      throw engineErrors.unmeasured(value, "the main graph does not compute it");
    const flag = fresh(`${value}_on`);
    flags.set(value, flag);
    values.set(flag, scalarOf(flag));
    const [from, to] = isInput.has(value)
      ? [value, fresh(`${value}_switched`)]
      : [fresh(`${value}_exact`), value];
    if (isInput.has(value)) behind.set(value, to);
    else before.set(value, from);
    const scale = constantOf(fresh(`${value}_scale`), "float32", rounding.scale);
    const zero = constantOf(fresh(`${value}_zero`), rounding.dtype, rounding.zero);
    for (const tensor of [scale, zero]) tensors.set(tensor.name, tensor);
    const [codes, rounded] = [fresh(`${value}_codes`), fresh(`${value}_rounded`)];
    switches.set(value, [
      // The contributed pair takes 8 and 16 bit in any operator set.
      nodeOf("com.microsoft", "QuantizeLinear", [from, scale.name, zero.name], codes),
      nodeOf("com.microsoft", "DequantizeLinear", [codes, scale.name, zero.name], rounded),
      nodeOf("", "Where", [flag, rounded, from], to),
    ]);
  }
  const nodes = main.inputs.flatMap((name) => switches.get(name) ?? []);
  for (const node of main.nodes) {
    const inputs = node.inputs.map((name) => behind.get(name) ?? name);
    const outputs = node.outputs.map((name) => before.get(name) ?? name);
    nodes.push({ ...node, inputs, outputs });
    nodes.push(...node.outputs.flatMap((name) => switches.get(name) ?? []));
  }
  const graph: Graph = {
    ...main,
    nodes,
    tensors,
    values,
    inputs: [...main.inputs, ...flags.values()],
  };
  const opsets = new Map([...model.opsets, ["com.microsoft", 1]]);
  const graphs = new Map([...model.graphs, [graphKey(MAIN), graph]]);
  return { switched: { ...model, opsets, graphs }, flags };
}

const scalarOf = (name: string): Value => ({
  name,
  dtype: dtype("bool"),
  shape: [],
  type: "tensor",
});

const nodeOf = (
  domain: string,
  op: string,
  inputs: readonly string[],
  output: string,
): GraphNode => ({ name: "", op, domain, inputs, outputs: [output], attrs: {} });

function constantOf(name: string, type: DtypeName, value: number): Tensor {
  const data =
    type === "float32"
      ? Float32Array.of(value)
      : type === "uint16"
        ? Uint16Array.of(value)
        : Uint8Array.of(value);
  const at = new Uint8Array(data.buffer);
  return { name, dtype: dtype(type), shape: [], at, sizeBytes: at.length };
}
