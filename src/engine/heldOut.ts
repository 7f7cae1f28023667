/** Candidates of a search are calibrated on other samples than they are compared on. */
import type { Entry } from "../shared/doc.ts";
import { findTransform } from "./compute.ts";

/** The entry, marked where its technique measures activations. */
export const heldOut = (entry: Entry): Entry =>
  findTransform(entry.transform).meta.data === "none" ? entry : { ...entry, holdOut: true };
