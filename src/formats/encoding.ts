/** What writing a model gives, for all formats. */
import type { Piece } from "./byteSource.ts";

export type ExternalData = "auto" | "always" | "never";

export interface EncodeOptions {
  /**
   * `auto`: external tensors stay external, and all become so where the file would pass 2 GiB.
   * `always`: everything of 1 KiB and more. `never`: one file. Only for ONNX.
   */
  readonly externalData: ExternalData;
  /**
   * Name of the external data file, as the model will refer to it; a function where a model may have
   * several (`auto` keeps the files that it has).
   */
  readonly dataName: string | ((file: DataFile) => string);
  /**
   * SHA-1 (40 hexadecimal digits) of a data file that is written anew, by its index: for tensors of
   * which the model had stated one. Without it they state none.
   */
  readonly checksum?: (index: number) => string;
}

/** An external data file that is about to be named. */
export interface DataFile {
  /** Counted from 0 within one model. */
  readonly index: number;
  /** The file it is a copy of, where none of its tensors changed. */
  readonly kept: KeptFile | null;
}
export interface KeptFile {
  readonly path: string;
  /** As the model referred to it. */
  readonly location: string;
}

export interface EncodedFile {
  readonly role: "model" | "external";
  /** The external file's name; null for the model itself. */
  readonly name: string | null;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
  /** Of external data: the file it is a copy of, where none of its tensors changed. */
  readonly kept?: KeptFile | null;
  /** Of external data: it is written anew, and the model had stated a checksum. */
  readonly needsChecksum?: boolean;
}
