/** The generated catalogue of techniques, typed. */
import catalog from "../shared/catalog.json";
import type { CatalogEntry } from "../shared/protocol.ts";

// JSON widens literal unions to string; gen.mjs writes exactly what the techniques' types allow.
export const CATALOG = catalog as unknown as readonly CatalogEntry[];

export const titleOf = (transform: string): string =>
  CATALOG.find(({ id }) => id === transform)?.title ?? transform;
