/** Checks of positional arguments. */
import { usageErrors } from "../shared/errors.ts";
import type { Command } from "./command.ts";
import { isRecipe } from "./recipe.ts";

/** @throws LatheError (usage) when there are too few or too many. */
export function checkPositionals(command: Command, given: readonly string[]): void {
  const [min, max] = command.positionals;
  const usage = `lathe ${command.name} ${command.usage}`;
  if (given.length < min)
    throw usageErrors.wrongArguments(
      command.name,
      `needs ${min === 1 ? "an argument" : `${min} arguments`}, but ${given.length === 0 ? "none is" : `${given.length} is`} given`,
      usage,
    );
  const extra = given[max];
  if (extra !== undefined)
    throw usageErrors.wrongArguments(command.name, `has no use for the argument "${extra}"`, usage);
}

/** The second argument of `plan` and `apply`; null when there is none. */
export function recipePath(command: string, positionals: readonly string[]): string | null {
  const [, recipe] = positionals;
  if (recipe === undefined) return null;
  if (!isRecipe(recipe))
    throw usageErrors.wrongArguments(
      command,
      `takes a recipe (*.lathe.json) as its second argument, not "${recipe}"`,
      `lathe ${command} MODEL (-t ID [-p KEY=VALUE]…)… | RECIPE`,
    );
  return recipe;
}
