/**
 * JSON into maps and lists, refusing what JSON.parse lets pass: an object with the same key twice
 * would mean one thing to us and another to the next reader (and "__proto__" is a key like any other).
 */
export type StrictJson =
  { readonly value: unknown } | { readonly problem: string; readonly at: number };

/** Nesting that no header needs. */
const MAX_DEPTH = 32;

class Problem extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** `at` counts UTF-16 units, which are bytes as long as the text is ASCII. */
export function parseStrictJson(text: string): StrictJson {
  const scan = { text, at: 0 };
  try {
    const value = parseValue(scan, 0);
    skipSpace(scan);
    if (scan.at < text.length) throw new Problem("text after the end", scan.at);
    return { value };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message, at: error.at };
    throw error;
  }
}

interface Scan {
  readonly text: string;
  at: number;
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

function match(scan: Scan, pattern: RegExp): string | null {
  pattern.lastIndex = scan.at;
  const found = pattern.exec(scan.text);
  if (!found) return null;
  scan.at += found[0].length;
  return found[0];
}

function skipSpace(scan: Scan): void {
  for (;;) {
    const code = scan.text.charCodeAt(scan.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    scan.at++;
  }
}

/**
 * What a string that starts here holds, null where none does. Nearly all are plain text, for which
 * the expression and JSON.parse take most of the time of a header of 300,000 tensors.
 */
function takeString(scan: Scan): string | null {
  const { text, at } = scan;
  if (text.charCodeAt(at) !== QUOTE) return null;
  for (let i = at + 1; ; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      scan.at = i + 1;
      return text.slice(at + 1, i);
    }
    // An escape, a control character or the end (NaN).
    if (code === BACKSLASH || !(code > 0x1f)) break;
  }
  const quoted = match(scan, STRING);
  return quoted === null ? null : (JSON.parse(quoted) as string);
}
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A number of digits alone, exact up to 15 of them; null for every other value. */
function takeCount(scan: Scan): number | null {
  const { text, at } = scan;
  let value = 0;
  for (let i = at; i < at + 16; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      value = value * 10 + code - 0x30;
      continue;
    }
    const plain = code === COMMA || code === CLOSE_LIST || code === CLOSE_OBJECT;
    const zeroFirst = text.charCodeAt(at) === 0x30 && i > at + 1;
    if (i === at || !plain || zeroFirst) return null;
    scan.at = i;
    return value;
  }
  return null;
}
const COMMA = 0x2c;
const CLOSE_LIST = 0x5d;
const CLOSE_OBJECT = 0x7d;

function parseValue(scan: Scan, depth: number): unknown {
  skipSpace(scan);
  if (depth > MAX_DEPTH) throw new Problem("too deeply nested", scan.at);
  const next = scan.text[scan.at];
  if (next === "{") return parseObject(scan, depth);
  if (next === "[") return parseArray(scan, depth);
  const simple = takeString(scan) ?? takeCount(scan);
  if (simple !== null) return simple;
  const plain = match(scan, NUMBER) ?? match(scan, WORD);
  if (plain === null)
    throw new Problem(next === undefined ? "unexpected end" : `unexpected ${next}`, scan.at);
  return JSON.parse(plain) as unknown;
}

function parseObject(scan: Scan, depth: number): Map<string, unknown> {
  const object = new Map<string, unknown>();
  scan.at++;
  skipSpace(scan);
  if (take(scan, "}")) return object;
  for (;;) {
    skipSpace(scan);
    const start = scan.at;
    const key = takeString(scan);
    if (key === null) throw new Problem("a key is missing", start);
    if (object.has(key))
      throw new Problem(`the key ${scan.text.slice(start, scan.at)} is there twice`, start);
    skipSpace(scan);
    if (!take(scan, ":")) throw new Problem("a colon is missing", scan.at);
    object.set(key, parseValue(scan, depth + 1));
    skipSpace(scan);
    if (take(scan, "}")) return object;
    if (!take(scan, ",")) throw new Problem("a comma is missing", scan.at);
  }
}

function parseArray(scan: Scan, depth: number): unknown[] {
  const list: unknown[] = [];
  scan.at++;
  skipSpace(scan);
  if (take(scan, "]")) return list;
  for (;;) {
    list.push(parseValue(scan, depth + 1));
    skipSpace(scan);
    if (take(scan, "]")) return list;
    if (!take(scan, ",")) throw new Problem("a comma is missing", scan.at);
  }
}

function take(scan: Scan, char: string): boolean {
  if (scan.text[scan.at] !== char) return false;
  scan.at++;
  return true;
}
