/** Checks of an output's path before anything is computed; the engine checks again when it writes. */
import { accessSync, constants, realpathSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { engineErrors } from "../shared/errors.ts";
import { extensionOf, formatOfKind, kindOf } from "../shared/modelPath.ts";

/** @throws EngineError naming what is in the way. */
export function checkOutput(output: string, input: string, force: boolean): void {
  const [from, to] = [kindOf(input), kindOf(output)];
  if (from !== null && (to === null || formatOfKind(to) !== formatOfKind(from)))
    throw engineErrors.wrongExtension(output, extensionOf(from));
  checkFile(output, force, input);
}

/** For outputs whose format may differ from the input's. */
export function checkPlace(output: string, input: string, force: boolean): void {
  checkFile(output, force, input);
}

/** For outputs that are no models, such as reports, which replace their older self. */
export function checkReport(output: string): void {
  checkFile(output, true, null);
}

function checkFile(output: string, force: boolean, input: string | null): void {
  const existing = statOf(output);
  if (existing?.isDirectory() === true) throw engineErrors.notAFile(output);
  if (existing !== null && !force) {
    if (input !== null && realPath(output) === realPath(input))
      throw engineErrors.outputIsInput(output);
    throw engineErrors.outputExists(output);
  }
  const folder = path.dirname(path.resolve(output));
  const parent = statOf(folder);
  if (parent === null) throw engineErrors.notWritable(folder, "it does not exist");
  if (!parent.isDirectory()) throw engineErrors.notWritable(folder, "it is not a folder");
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw engineErrors.notWritable(
      folder,
      (error as NodeJS.ErrnoException).code ?? "no permission",
    );
  }
}

function statOf(file: string): Stats | null {
  try {
    return statSync(file);
  } catch {
    // Absent, or below something that is not a folder; the parent's own check says which.
    return null;
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file);
  }
}
