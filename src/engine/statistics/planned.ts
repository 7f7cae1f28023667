/** How often a plan would run the model over the calibration data, told without running it. */
import { mainGraph, MAIN, type Model } from "../../core/model.ts";
import { inferShapes } from "../../core/shapeInference.ts";
import { needKey, type Need, type Place, type State } from "../../core/statistics.ts";
import { openData } from "../../data/open.ts";
import { dtype, elementCount } from "../../shared/dtype.ts";
import { EngineError } from "../../shared/errors.ts";
import type { Blas } from "../../shared/kernels.ts";
import { ioOf } from "../modelIo.ts";
import { Answering, type Item } from "./answering.ts";
import type { Opened, Probed } from "./running.ts";
import { sourceOf } from "./source.ts";
import { STATISTICS_BUDGET_BYTES } from "./statistics.ts";
import { planWaves } from "./waves.ts";

export interface PlannedPasses {
  /** Over the calibration data; techniques that go layer by layer run parts of the model besides. */
  readonly passes: number;
  readonly samples: number;
}

/**
 * Null without needs or data. Sizes are those that shapes tell; where they do not, one element.
 * @throws DataError when the data does not fit the model
 */
export async function plannedPasses(
  needs: readonly Need[],
  models: Readonly<Record<Exclude<State, "current">, Model>>,
  data: string | null,
): Promise<PlannedPasses | null> {
  if (needs.length === 0 || data === null) return null;
  const { count: samples } = await openData(data, ioOf(models.before), "calibration");
  const opened = new Map<Model, Opened>();
  const openedFor = (model: Model): Opened => {
    const known = opened.get(model) ?? imagined(model, samples);
    opened.set(model, known);
    return known;
  };
  const items: Item[] = [];
  for (const need of new Map(needs.map((each) => [needKey(each), each])).values()) {
    const side = (at: Place, of: State): Item["sides"][number] | null => {
      if (of === "current") return null;
      const model = models[of];
      return { opened: openedFor(model), source: sourceOf(model, at) };
    };
    try {
      const sides = [side(need.at, need.of)];
      if (need.against) sides.push(side(need.against.at, need.against.of));
      const found = sides.filter((each) => each !== null);
      if (found.length === sides.length) items.push({ need, sides: found });
    } catch (error) {
      // A place that cannot be measured is skipped by name when the plan is carried out.
      if (!(error instanceof EngineError)) throw error;
    }
  }
  const answering = new Answering({ samples, identity: "", seed: 0, blas: NO_BLAS }, () => {});
  const first = planWaves(answering.jobs(items), STATISTICS_BUDGET_BYTES).length;
  const histograms = planWaves(answering.waiting, STATISTICS_BUDGET_BYTES).length;
  return { passes: first + histograms, samples };
}

const never = (): never => {
  throw new Error("a plan runs nothing");
};
const NO_BLAS: Blas = { gemm: never, gram: never };

/** As if one sample had been run: what shapes say of every value. */
function imagined(model: Model, samples: number): Opened {
  const shapes = inferShapes(model, { bind: () => 1 });
  const main = mainGraph(model);
  const probed = new Map<string, Probed>();
  for (const name of [...main.inputs, ...main.nodes.flatMap(({ outputs }) => outputs)]) {
    const dims = shapes.shapeOf(MAIN, name);
    if (dims === null) continue;
    const shape = dims.map((dim) => (typeof dim === "number" ? dim : 1));
    const { bits } = shapes.dtypeOf(MAIN, name) ?? dtype("float32");
    probed.set(name, { shape, bytes: (elementCount(shape) * bits) / 8 });
  }
  return {
    model,
    exposer: { use: never, remove: never },
    feeder: { samples, fixedBatch: null, openBatch: 1, batches: never },
    io: "",
    inputs: new Set(main.inputs),
    probed,
  };
}
