/** esbuild's binary loader: the file's bytes, embedded in the bundle. */
declare module "*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

/** The part of WebAssembly that is used; Node's own types leave it to the DOM's. */
declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
    /** By so many pages of 64 KiB; `buffer` is another one then, and the old one has length 0. */
    grow(pages: number): number;
  }
  const Memory: new (descriptor: { initial: number; maximum: number }) => Memory;
  type Module = object;
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Instance: new (
    module: Module,
    imports: Record<string, Record<string, unknown>>,
  ) => Instance;
}
