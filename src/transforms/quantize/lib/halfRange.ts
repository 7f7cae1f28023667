/** Which weights belong to layers whose activations float16 cannot hold, over the calibration data. */
import type { WorkContext } from "../../../core/context.ts";
import { nodeLabel, type GraphNode, type GraphPath, type Model } from "../../../core/model.ts";
import { scopeOf, type ScopeIndex } from "../../../core/scope.ts";
import { inferShapes } from "../../../core/shapeInference.ts";
import { valueAt, type Range } from "../../../core/statistics.ts";
import { asReason, EngineError } from "../../../shared/errors.ts";

export const MAX_FLOAT16 = 65504;

/** A weight by the name it has in its graph. */
export interface HeldWeight {
  readonly graph: GraphPath;
  readonly value: string;
}

interface LayerUse {
  readonly path: GraphPath;
  readonly node: GraphNode;
}

/**
 * For each weight why its layers should not compute in float16; null where nothing speaks against it
 * or nothing could be measured. Everything is asked for together, so that one pass over the data serves
 * all.
 */
export async function beyondHalf(
  ctx: WorkContext,
  model: Model,
  weights: readonly HeldWeight[],
): Promise<readonly (string | null)[]> {
  const scope = scopeOf(model);
  const shapes = inferShapes(model);
  const ranges = new Map<string, Promise<Range | string | null>>();
  const rangeOf = (path: GraphPath, name: string): Promise<Range | string | null> => {
    const key = JSON.stringify([path, name]);
    const asked = ranges.get(key) ?? measured(ctx, path, name);
    ranges.set(key, asked);
    return asked;
  };
  return Promise.all(
    weights.map(async ({ graph, value }) => {
      const found = layersOf(scope, graph, value).map(async ({ path, node }) => {
        const names = [...node.inputs, ...node.outputs].filter(
          (name) =>
            name !== "" &&
            shapes.dtypeOf(path, name)?.name === "float32" &&
            scope.constant(path, name) === null,
        );
        const reasons = names.map(async (name) => {
          const range = await rangeOf(path, name);
          return range && beyond(range, name, nodeLabel(path, node));
        });
        return (await Promise.all(reasons)).find((reason) => reason !== null) ?? null;
      });
      return (await Promise.all(found)).find((reason) => reason !== null) ?? null;
    }),
  );
}

/** Who works with a weight: behind what only makes constants of it, such as Transpose. */
function layersOf(scope: ScopeIndex, graph: GraphPath, value: string): readonly LayerUse[] {
  const out: LayerUse[] = [];
  const fixed = new Set([value]);
  const open: HeldWeight[] = [{ graph, value }];
  for (let at = open.pop(); at; at = open.pop())
    for (const { node, graph: user } of scope.uses(at.graph, at.value)) {
      if (node === null) continue;
      const { path } = user;
      const isConstant = node.inputs.every(
        (name) => name === "" || fixed.has(name) || scope.constant(path, name) !== null,
      );
      if (!isConstant) out.push({ path, node });
      else
        for (const name of node.outputs) {
          if (name === "" || fixed.has(name)) continue;
          fixed.add(name);
          open.push({ graph: path, value: name });
        }
    }
  return out;
}

/** The range, the reason why there is none, or null where nothing is measured at all. */
async function measured(
  ctx: WorkContext,
  path: GraphPath,
  name: string,
): Promise<Range | string | null> {
  // In the body of If or Loop weights are judged by themselves.
  if (path.length > 0) return null;
  try {
    return await ctx.stat({ stat: "range", at: valueAt(path, name), of: "before" });
  } catch (error) {
    if (error instanceof EngineError && error.failure.code === "unmeasured") return asReason(error);
    throw error;
  }
}

function beyond(range: Range | string, name: string, layer: string): string | null {
  const stays = `its layer ${layer} stays float32`;
  if (typeof range === "string") return `${stays}: ${range}`;
  const largest = Math.max(Math.abs(range.min), Math.abs(range.max));
  return largest <= MAX_FLOAT16
    ? null
    : `${stays}: "${name}" reaches ${largest.toPrecision(4)} on the calibration data, beyond float16's ${MAX_FLOAT16}`;
}
