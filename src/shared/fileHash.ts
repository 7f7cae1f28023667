/** What a thread that hashes a file answers. */
export interface FileHash {
  /** Hexadecimal. */
  readonly sha256: string;
  /** Of the file that was read, when its last byte had been: tells whether it is still the same. */
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: number;
}
