/** Sizes that the user gives to symbolic dimensions. */
import { mainGraph, type Model } from "../../../core/model.ts";
import { paramErrors } from "../../../shared/errors.ts";

/** Names of symbolic dimensions of the model's inputs, in order. */
export function symbolsOf(model: Model): readonly string[] {
  const main = mainGraph(model);
  const symbols = new Set<string>();
  for (const name of main.inputs)
    if (!main.tensors.has(name))
      for (const dim of main.values.get(name)?.shape ?? [])
        if (typeof dim === "string") symbols.add(dim);
  return [...symbols];
}

/**
 * "batch=1,seq=128" as a table.
 * @throws ParamError for a symbol the model does not have, or what is no whole number from 1.
 */
export function parseDims(
  who: string,
  text: string,
  symbols: readonly string[],
): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const equals = part.lastIndexOf("=");
    const symbol = part.slice(0, Math.max(0, equals)).trim();
    const size = Number(part.slice(equals + 1));
    if (equals < 1 || !Number.isSafeInteger(size) || size < 1)
      throw paramErrors.badValue(
        who,
        "dims",
        part.trim(),
        "name=size with a whole number from 1, for example batch=1,seq=128",
      );
    if (!symbols.includes(symbol))
      throw paramErrors.badValue(
        who,
        "dims",
        part.trim(),
        symbols.length === 0
          ? "empty: this model has no symbolic dimensions"
          : `about one of the model's symbolic dimensions: ${symbols.join(", ")}`,
      );
    sizes.set(symbol, size);
  }
  return sizes;
}
