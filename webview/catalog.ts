/** The generated catalogue of techniques, with its type. */
import type { CatalogEntry } from "../src/shared/protocol.ts";
import catalog from "../src/shared/catalog.json";

export const techniques = catalog as unknown as readonly CatalogEntry[];

export const techniqueTitle = (id: string): string =>
  techniques.find((technique) => technique.id === id)?.title ?? id;

/** "bits 4, block 32": only what differs from the defaults, or everything for an unknown technique. */
export function paramsText(id: string, params: CatalogEntry["params"] | object): string {
  const schema = techniques.find((technique) => technique.id === id)?.params ?? {};
  return Object.entries(params)
    .filter(([key, value]) => schema[key]?.default !== value)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");
}
