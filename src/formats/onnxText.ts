/**
 * Texts that are not UTF-8. Protobuf strings should be, but files of old exporters and other languages
 * hold names in Latin-1 or Shift-JIS, which onnxruntime takes as the bytes they are. Decoded with
 * replacement characters, two names would become one, and saving would lose them. In a skeleton each
 * byte that is not UTF-8 is a private character of its own, U+10FE80 to U+10FEFF for 0x80 to 0xFF,
 * and becomes that byte again when the model is written.
 */

/** The first two bytes of the private characters in UTF-8. */
const FIRST = 0xf4;
const SECOND = 0x8f;
/** The third, for bytes below 0xC0 and from there on. */
const LOW = 0xba;
const HIGH = 0xbb;

/** UTF-8 that stands for the bytes; null for bytes that are UTF-8 already. */
export function escapeText(bytes: Uint8Array): Uint8Array | null {
  let strange = 0;
  for (let at = 0; at < bytes.length;) {
    const length = sequenceAt(bytes, at);
    if (length === 0) strange++;
    at += Math.max(1, length);
  }
  if (strange === 0) return null;
  const out = new Uint8Array(bytes.length + 3 * strange);
  for (let at = 0, to = 0; at < bytes.length;) {
    const length = sequenceAt(bytes, at);
    const byte = bytes[at] ?? 0;
    const put =
      length > 0
        ? bytes.subarray(at, at + length)
        : [FIRST, SECOND, byte < 0xc0 ? LOW : HIGH, 0x80 | (byte & 0x3f)];
    out.set(put, to);
    to += put.length;
    at += Math.max(1, length);
  }
  return out;
}

/** The bytes that the text stands for; null where it stands for itself. */
export function unescapeText(bytes: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(bytes.length);
  let to = 0;
  for (let at = 0; at < bytes.length; to++)
    if (isPrivate(bytes, at)) {
      out[to] = (bytes[at + 2] === LOW ? 0x80 : 0xc0) | ((bytes[at + 3] ?? 0) & 0x3f);
      at += 4;
    } else out[to] = bytes[at++] ?? 0;
  return to === bytes.length ? null : out.subarray(0, to);
}

const isPrivate = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === FIRST &&
  bytes[at + 1] === SECOND &&
  (bytes[at + 2] === LOW || bytes[at + 2] === HIGH);

/**
 * Length of the well-formed character at that place, or 0 (Unicode 15, table 3-7). A private
 * character that is in the file itself counts as four bytes that are none, so that it comes back too.
 */
function sequenceAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || isPrivate(bytes, at)) return 0;
  const second = bytes[at + 1] ?? 0;
  const from = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const to = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < from || second > to) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let i = 2; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}
