/** Share of samples whose label has the highest score; top5, of more classes: is among the five highest. */
import { dataErrors } from "../../shared/errors.ts";
import { toNumbers } from "../../shared/hostTensor.ts";
import { wilson } from "./interval.ts";
import type { Meter, Units } from "./meter.ts";

/** Of units with columns [right, 1]: the share that is right. */
const share: Units["value"] = ([right = 0, n = 1]) => right / n;

/** @param output the scores, any shape of which the first dimension counts samples. */
export function topK(output: string, labelsPath: string): Meter {
  /** 1 for a sample that is right, 0 for one that is not. */
  const right: number[] = [];
  let top5 = 0;
  let mostClasses = 0;
  let notFinite = 0;
  return {
    fetch: [output],
    add(batch, outputs) {
      const tensor = outputs.get(output);
      if (!tensor || !batch.labels) return;
      const scores = toNumbers(tensor);
      const classes = scores.length / batch.rows;
      mostClasses = Math.max(mostClasses, classes);
      for (let i = 0; i < batch.count; i++) {
        const label = Number(batch.labels[i]);
        if (!(label >= 0 && label < classes))
          throw dataErrors.labelsRange(labelsPath, label, classes);
        const rank = rankOf(scores, i * classes, classes, label);
        if (rank === null) notFinite++;
        right.push(rank === 0 ? 1 : 0);
        if (rank !== null && rank < 5) top5++;
      }
    },
    units: () => ({
      columns: [Float64Array.from(right), new Float64Array(right.length).fill(1)],
      value: share,
    }),
    result: () => {
      const n = right.length;
      const top1 = right.reduce((a, b) => a + b, 0);
      return {
        value: share([top1, n]),
        ...wilson(top1, n),
        n,
        also: {
          ...(mostClasses > 5 ? { top5: top5 / n } : {}),
          // A model whose scores are NaN has no answer: wrong, and said.
          ...(notFinite > 0 ? { nanScores: notFinite } : {}),
        },
      };
    },
  };
}

/** How many classes score higher (ties: a lower index goes first); null when the label's score is NaN. */
function rankOf(
  scores: ArrayLike<number>,
  start: number,
  classes: number,
  label: number,
): number | null {
  const own = scores[start + label] ?? NaN;
  if (Number.isNaN(own)) return null;
  let rank = 0;
  for (let c = 0; c < classes; c++) {
    const score = scores[start + c] ?? 0;
    if (score > own || (score === own && c < label)) rank++;
  }
  return rank;
}
