/** How format readers see files: positioned, synchronous reads, no file system in sight. */

export interface ByteSource {
  /** Absolute path, used in ranges and error texts. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Exactly `length` bytes. @throws FormatError (truncated) when the file ends before. */
  read(offset: number, length: number): Uint8Array;
}

/** Opens files that a model refers to, confined to the model's own folder. */
export interface SiblingFiles {
  /**
   * The file at `location`, relative to the model's folder.
   * Null when it does not exist; "escapes" for absolute paths, `..`, links or devices leading out.
   */
  resolve(
    location: string,
  ): { readonly path: string; readonly sizeBytes: number } | null | "escapes";
  /** What `resolve` found, for reading; absent where no model of several files is read. */
  open?(path: string): ByteSource;
}

/** A file to be written: bytes and ranges of existing files, in order. */
export type Piece = Uint8Array | import("../core/model.ts").ByteRange;
