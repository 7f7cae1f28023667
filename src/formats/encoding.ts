/** What writing a model gives, for all formats. */
import type { Piece } from "./byteSource.ts";

export type ExternalData = "auto" | "always" | "never";

export interface EncodeOptions {
  /**
   * `auto`: external tensors stay external, and all become so where the file would pass 2 GiB.
   * `always`: everything of 1 KiB and more. `never`: one file. Only for ONNX.
   */
  readonly externalData: ExternalData;
  /** Name of the external data file, as the model will refer to it. */
  readonly dataName: string;
}

export interface EncodedFile {
  readonly role: "model" | "external";
  /** The external file's name; null for the model itself. */
  readonly name: string | null;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
}
