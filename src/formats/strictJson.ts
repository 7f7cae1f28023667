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
const SPACE = /[ \t\n\r]*/y;

function match(scan: Scan, pattern: RegExp): string | null {
  pattern.lastIndex = scan.at;
  const found = pattern.exec(scan.text);
  if (!found) return null;
  scan.at += found[0].length;
  return found[0];
}
const skipSpace = (scan: Scan): void => void match(scan, SPACE);

function parseValue(scan: Scan, depth: number): unknown {
  skipSpace(scan);
  if (depth > MAX_DEPTH) throw new Problem("too deeply nested", scan.at);
  const next = scan.text[scan.at];
  if (next === "{") return parseObject(scan, depth);
  if (next === "[") return parseArray(scan, depth);
  const plain = match(scan, STRING) ?? match(scan, NUMBER) ?? match(scan, WORD);
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
    const quoted = match(scan, STRING);
    if (quoted === null) throw new Problem("a key is missing", start);
    const key = JSON.parse(quoted) as string;
    if (object.has(key)) throw new Problem(`the key ${quoted} is there twice`, start);
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
