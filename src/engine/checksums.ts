/** External data against the checksums that a model states of it: the one check that reads weights. */
import { statSync } from "node:fs";
import path from "node:path";
import type { Model } from "../core/model.ts";
import type { Finding } from "../core/validate/index.ts";
import { statedChecksums, type StatedChecksum } from "../formats/index.ts";
import { formatBytes, plural } from "../shared/format.ts";
import type { Task } from "../shared/task.ts";
import { sha1Of } from "./saveContent.ts";
import { breathe } from "./saveWrite.ts";

const SHA1 = /^[0-9a-f]{40}$/i;

/**
 * Reads each file of which a checksum is stated once; nothing where none is.
 * @throws Cancelled, EngineError
 */
export async function checksumFindings(model: Model, task: Task): Promise<Finding[]> {
  const stated = statedChecksums(model);
  const files = new Set(stated.filter(({ checksum }) => SHA1.test(checksum)).map((s) => s.file));
  const sizes = new Map([...files].map((file) => [file, statSync(file).size]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const actual = new Map<string, string>();
  let done = 0;
  for (const file of files) {
    await breathe(task);
    actual.set(
      file,
      await sha1Of(file, task, (count) => {
        done += count;
        task.progress(
          Math.min(1, done / Math.max(1, total)),
          `Comparing ${formatBytes(total)} with the checksums stated`,
        );
      }),
    );
  }
  return stated.flatMap((one) => findingOf(one, actual.get(one.file) ?? null) ?? []);
}

function findingOf(stated: StatedChecksum, actual: string | null): Finding | null {
  const { checksum, file, place, tensor, tensors } = stated;
  const name = path.basename(file);
  const others = tensors === 1 ? "" : ` and ${plural(tensors - 1, "other tensor")}`;
  const subject = `The tensor "${tensor}"${others} ${tensors === 1 ? "states" : "state"}`;
  const text = checksum.length <= 80 ? checksum : `${checksum.slice(0, 80)}…`;
  if (actual === null)
    return {
      code: "checksum",
      severity: "warning",
      place,
      message: `${subject} the checksum "${text}" of "${name}", which is no SHA-1 (40 hexadecimal digits).`,
      fix: "State the file's SHA-1, or remove the key.",
    };
  if (actual === checksum.toLowerCase()) return null;
  return {
    code: "checksum",
    severity: "error",
    place,
    message: `${subject} the SHA-1 ${text} of "${name}", which has ${actual}: the file is damaged, or not the one the model was made with.`,
    fix: "Fetch the file again; where it was changed on purpose, state its new SHA-1 or remove the key.",
  };
}
