/** If, Loop and Scan: what their bodies' outputs have in common, whatever path is taken. */
import { dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { UNKNOWN, value, type Info, type Rule, type RuleTable } from "./rule.ts";
import { agreeInfo } from "./sequences.ts";

const ifRule: Rule = (c) => {
  const yes = c.body("then_branch", []);
  const no = c.body("else_branch", []);
  if (yes && no && yes.length !== no.length)
    c.problem(`The branches have ${yes.length} and ${no.length} outputs.`);
  const condition = c.input(0).data?.[0];
  if (typeof condition === "number") return (condition === 0 ? no : yes) ?? [];
  if (yes === null || no === null) return [];
  return yes.map((info, i) => agreeInfo(info, no[i] ?? UNKNOWN));
};

/**
 * Carried values may change shape from one turn to the next: what the body gives back is merged
 * with what it was given until nothing changes. Each turn only loses dimensions, so it ends.
 */
function settle(
  initial: readonly Info[],
  run: (states: readonly Info[]) => readonly Info[] | null,
): { readonly states: readonly Info[]; readonly outputs: readonly Info[] } | null {
  // Elements of a carried value are those of the first turn only.
  let states: readonly Info[] = initial.map((info) => ({ ...info, data: null }));
  for (let turn = 0; turn < 16; turn++) {
    const outputs = run(states);
    if (outputs === null) return null;
    const merged = states.map((state, i) => {
      const next = outputs[i] ?? UNKNOWN;
      return state.shape === null && state.dtype === null && !state.holds
        ? state
        : agreeInfo(state, next);
    });
    if (merged.every((info, i) => same(info, states[i] ?? UNKNOWN))) return { states, outputs };
    states = merged;
  }
  return null;
}
const same = (a: Info, b: Info): boolean =>
  a.dtype === b.dtype && JSON.stringify([a.shape, a.holds]) === JSON.stringify([b.shape, b.holds]);

/** Inputs: trip count, condition, carried…; outputs: carried…, then one stack per scan output. */
const loop: Rule = (c) => {
  const initial = Array.from({ length: Math.max(0, c.inputCount - 2) }, (_, i) => c.input(i + 2));
  const settled = settle(initial, (states) => {
    const iteration = value(dtype("int64"), []);
    return c.body("body", [iteration, value(dtype("bool"), []), ...states])?.slice(1) ?? null;
  });
  if (settled === null) return [];
  // The number of turns depends on the condition, so a stack's length stays unknown.
  return [
    ...settled.states,
    ...settled.outputs
      .slice(initial.length)
      .map((info) => value(info.dtype, info.shape && [null, ...info.shape])),
  ];
};

/** Inputs: states…, then sequences whose scan axis the body does not see. Operator set 9 and later. */
const scan: Rule = (c) => {
  const sequences = c.int("num_scan_inputs", 0);
  const stateCount = c.inputCount - sequences;
  if (c.opset < 9 || sequences < 1 || stateCount < 0) return [];
  const inputs = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
  const axes = c.ints("scan_input_axes");
  let length: Dim = null;
  const slices = inputs.slice(stateCount).map((info, i) => {
    const { shape } = info;
    if (shape === null) return value(info.dtype, null);
    const axis = axes?.[i] ?? 0;
    const at = axis < 0 ? axis + shape.length : axis;
    length ??= shape[at] ?? null;
    return value(
      info.dtype,
      shape.filter((_, j) => j !== at),
    );
  });
  const settled = settle(inputs.slice(0, stateCount), (states) =>
    c.body("body", [...states, ...slices]),
  );
  if (settled === null) return [];
  const outputAxes = c.ints("scan_output_axes");
  return [
    ...settled.states,
    ...settled.outputs.slice(stateCount).map((info, i) => {
      if (info.shape === null) return value(info.dtype, null);
      const axis = outputAxes?.[i] ?? 0;
      const at = axis < 0 ? axis + info.shape.length + 1 : axis;
      return value(info.dtype, [...info.shape.slice(0, at), length, ...info.shape.slice(at)]);
    }),
  ];
};

export const controlRules: RuleTable = { If: ifRule, Loop: loop, Scan: scan };
