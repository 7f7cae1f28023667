/**
 * The few globals that pure code may use. Node, browsers and VS Code's web host all have them; the
 * pure tsconfig has neither Node nor DOM types, so anything else does not compile there.
 */
interface TextDecoderLike {
  decode(bytes: Uint8Array): string;
}
interface TextEncoderLike {
  encode(text: string): Uint8Array;
}
declare const TextDecoder: new (
  label?: string,
  options?: { readonly fatal?: boolean },
) => TextDecoderLike;
declare const TextEncoder: new () => TextEncoderLike;
