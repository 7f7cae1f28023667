/** Hashes that the parent has begun and sends when they are known. */
import type { FileHash } from "../shared/fileHash.ts";
import { hashInBackground, type BackgroundHash } from "./backgroundHash.ts";

export interface ExpectedHash {
  /** "coming": the parent computes it; null: it could not, or gave up. */
  note(hash: FileHash | "coming" | null): void;
  /** The hash that was announced; computed here when none was, or when it does not come. */
  take(file: string): BackgroundHash;
}

export function expectedHash(): ExpectedHash {
  let coming: Promise<FileHash | null> | null = null;
  let arrive: (hash: FileHash | null) => void = () => {};
  return {
    note(hash) {
      if (hash === "coming") coming = new Promise((resolve) => (arrive = resolve));
      else arrive(hash);
    },
    take(file) {
      if (!coming) return hashInBackground(file);
      let own: BackgroundHash | null = null;
      const hash = coming.then((known) => known ?? (own = hashInBackground(file)).hash);
      return { hash, stop: () => own?.stop() };
    },
  };
}
