/** The goal as typed, read into what the engine is asked. */
import type { OptimizeGoal } from "../../src/shared/protocol.ts";
import { advisor as text } from "../words/advisor.ts";

export interface GoalDraft {
  readonly maxDrop: string;
  readonly size: string;
  readonly sizeUnit: "%" | "MB";
  readonly faster: boolean;
}
export const DEFAULT_GOAL: GoalDraft = { maxDrop: "1", size: "", sizeUnit: "%", faster: false };

export interface ReadGoal {
  /** Null when a field is wrong or nothing is asked for. */
  readonly goal: OptimizeGoal | null;
  readonly problems: Partial<Readonly<Record<"maxDrop" | "size" | "all", string>>>;
}

export function readGoal(draft: GoalDraft): ReadGoal {
  const drop = draft.maxDrop.trim() === "" ? null : Number(draft.maxDrop);
  const size = draft.size.trim() === "" ? null : Number(draft.size);
  const problems: { maxDrop?: string; size?: string; all?: string } = {};
  if (drop !== null && !(drop >= 0 && drop <= 100)) problems.maxDrop = text.wrongDrop;
  if (size !== null && !(size > 0 && Number.isFinite(size))) problems.size = text.wrongSize;
  if (drop === null && size === null && !draft.faster) problems.all = text.noGoal;
  if (Object.keys(problems).length > 0) return { goal: null, problems };
  return {
    goal: {
      maxDrop: drop === null ? null : drop / 100,
      targetSize:
        size === null
          ? null
          : draft.sizeUnit === "%"
            ? { share: size / 100 }
            : { bytes: Math.round(size * 1e6) },
      faster: draft.faster,
    },
    problems,
  };
}
