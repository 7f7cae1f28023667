/** Damage to a file, decided by a seed alone: of its bytes, of its structure, of its header's text. */
import { concatBytes } from "../../src/formats/wire.ts";
import type { Random } from "../../src/shared/random.ts";
import { messagesOf, parseTree, treeBytes, type Field } from "./tree.ts";

export interface Seed {
  readonly name: string;
  readonly format: "onnx" | "safetensors" | "safetensors.index.json";
  readonly bytes: Uint8Array;
}

/** A mutation and what it did, in a word. */
export interface Mutant {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

const pick = <T>(rng: Random, list: readonly T[]): T => {
  const item = list[rng.int(list.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};

/** One mutation of the seed, or up to four, each of the result of the one before. */
export function mutate(rng: Random, seed: Seed, others: readonly Seed[]): Mutant {
  let bytes = seed.bytes;
  const kinds: string[] = [];
  for (let i = 0, count = rng.next() < 0.6 ? 1 : 2 + rng.int(3); i < count; i++) {
    const kind = pick(rng, KINDS[seed.format]);
    try {
      bytes = MUTATIONS[kind](rng, bytes, pick(rng, others).bytes);
      kinds.push(kind);
    } catch {
      // A mutation of the structure needs one that an earlier mutation may have taken.
      bytes = MUTATIONS.flip(rng, bytes);
      kinds.push("flip");
    }
  }
  return { kind: kinds.join(", "), bytes };
}

type Mutation = (rng: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

/** Where things are likely to be: half of the places are within the first 512 bytes. */
const place = (rng: Random, length: number): number =>
  rng.int(Math.max(1, rng.next() < 0.5 ? Math.min(512, length) : length));
const stretch = (rng: Random, bytes: Uint8Array): Uint8Array => {
  const from = place(rng, bytes.length);
  return bytes.subarray(from, from + 1 + rng.int(rng.next() < 0.8 ? 64 : 4096));
};
const replace = (bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array =>
  concatBytes([bytes.subarray(0, from), by, bytes.subarray(to)]);

/** Numbers at which something is likely to break. */
const EDGES: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 8n, 63n, 64n, 127n, 128n, 255n, 256n, 1023n, 1024n, 65535n, 65536n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n],
  ...[2n ** 60n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 2n, 10n ** 6n, 10n ** 9n],
];
function bigVarint(value: bigint): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.from([...out, Number(rest)]);
    out.push(Number(rest & 127n) | 128);
  }
}

const IF = new TextEncoder().encode("If");
const leaf = (number: number, bytes: Uint8Array): Field => ({
  number,
  wire: 2,
  bytes,
  fields: null,
  lie: null,
});
/** Bytes are never written to, so the copy shares them. */
const copyOf = (field: Field): Field => ({
  ...field,
  fields: field.fields?.map(copyOf) ?? null,
});
const message = (number: number, fields: Field[]): Field => ({
  ...leaf(number, new Uint8Array()),
  fields,
});

const MUTATIONS = {
  flip(rng, bytes) {
    const out = bytes.slice();
    for (let i = 0, count = 1 + rng.int(8); i < count && out.length > 0; i++) {
      const at = place(rng, out.length);
      out[at] = (out[at] ?? 0) ^ (1 << rng.int(8));
    }
    return out;
  },
  set(rng, bytes) {
    const out = bytes.slice();
    for (let i = 0, count = 1 + rng.int(4); i < count && out.length > 0; i++)
      out[place(rng, out.length)] = pick(rng, [0, 1, 127, 128, 255, rng.int(256)]);
    return out;
  },
  truncate: (rng, bytes) => bytes.subarray(0, rng.int(bytes.length + 1)),
  extend: (rng, bytes, other) => concatBytes([bytes, stretch(rng, other)]),
  remove(rng, bytes) {
    const from = place(rng, bytes.length);
    return replace(bytes, from, from + 1 + rng.int(64), new Uint8Array());
  },
  insert(rng, bytes, other) {
    const at = place(rng, bytes.length);
    return replace(bytes, at, at, stretch(rng, rng.next() < 0.5 ? bytes : other));
  },
  overwrite(rng, bytes, other) {
    const at = place(rng, bytes.length);
    const by = stretch(rng, other);
    return replace(bytes, at, at + by.length, by);
  },
  edge(rng, bytes) {
    const at = place(rng, bytes.length);
    return replace(bytes, at, at + 1, bigVarint(pick(rng, EDGES)));
  },
  /** The length of one field, wherever it lies, says something else. */
  lie(rng, bytes) {
    return inTree(bytes, (fields) => {
      const field = pick(
        rng,
        allFields(fields).filter(({ wire }) => wire === 2),
      );
      const length = field.fields ? treeBytes(field.fields).length : field.bytes.length;
      const near = [length + 1, Math.max(0, length - 1), length * 2, 0];
      field.lie = rng.next() < 0.6 ? pick(rng, near) : Number(pick(rng, EDGES.slice(0, -2)));
    });
  },
  /** A field is taken out, doubled, moved or put into another message. */
  field(rng, bytes) {
    return inTree(bytes, (fields) => {
      const messages = messagesOf(fields).filter((message) => message.length > 0);
      const from = pick(rng, messages);
      const at = rng.int(from.length);
      const field = from[at];
      if (!field) return;
      if (rng.next() < 0.4) from.splice(at, 1);
      const to = rng.next() < 0.5 ? from : pick(rng, messages);
      // A copy of it as it was: a message inside itself would have no end.
      const copy = copyOf(field);
      const copies = rng.next() < 0.9 || allFields([field]).length > 100 ? 1 : 1 + rng.int(40);
      for (let i = 0; i < copies; i++) to.splice(rng.int(to.length + 1), 0, copy);
    });
  },
  /** A field of another file, at the same kind of place. */
  graft(rng, bytes, other) {
    return inTree(bytes, (fields) => {
      const donor = pick(rng, allFields(parseTree(other)));
      const messages = messagesOf(fields);
      const like = messages.filter((message) =>
        message.some(({ number }) => number === donor.number),
      );
      const to = pick(rng, like.length > 0 ? like : messages);
      to.splice(rng.int(to.length + 1), 0, donor);
    });
  },
  /** A number becomes one at an edge; a number of a field or the field's own. */
  number(rng, bytes) {
    return inTree(bytes, (fields) => {
      const all = allFields(fields);
      const numbers = all.filter(({ wire }) => wire === 0);
      if (numbers.length > 0 && rng.next() < 0.8)
        pick(rng, numbers).bytes = bigVarint(pick(rng, EDGES));
      else pick(rng, all).number = 1 + rng.int(30);
    });
  },
  /** A text or list is emptied, doubled, or becomes that of another field. */
  content(rng, bytes) {
    return inTree(bytes, (fields) => {
      const leaves = allFields(fields).filter(({ wire, fields: inner }) => wire === 2 && !inner);
      const field = pick(rng, leaves);
      field.bytes = pick(rng, [
        new Uint8Array(),
        concatBytes([field.bytes, field.bytes]),
        pick(rng, leaves).bytes,
        Uint8Array.of(0xff, 0xc0, 0xed, 0xa0, 0x80),
        new TextEncoder().encode(pick(rng, TEXTS)),
        new Uint8Array(rng.int(3000)).fill(0x80),
      ]);
    });
  },
  /** Graphs within graphs, or types within types. */
  nest(rng, bytes) {
    return inTree(bytes, (fields) => {
      const graph = fields.find(({ number, fields: inner }) => number === 7 && inner)?.fields ?? [];
      const depth = 1 + rng.int(150);
      if (rng.next() < 0.6) {
        let inner = graph.slice(0, 3);
        for (let i = 0; i < depth; i++) {
          const name = leaf(1, new TextEncoder().encode("body"));
          inner = [message(1, [leaf(4, IF), message(5, [name, message(6, inner)])])];
        }
        graph.splice(rng.int(graph.length + 1), 0, ...inner);
      } else {
        let inner = [message(1, [])];
        for (let i = 0; i < depth; i++) inner = [message(4, [message(1, inner)])];
        graph.push(message(pick(rng, [11, 12, 13]), [leaf(1, IF), message(2, inner)]));
      }
    });
  },
  /** The header says something else; its length is right. */
  json: (rng, bytes) => withHeader(bytes, (header) => attackJson(rng, header)),
  index: (rng, bytes) => asText(bytes, (text) => attackJson(rng, text)),
  indexText: (rng, bytes) => asText(bytes, (text) => damageJson(rng, text)),
  /** Text in the header is damaged; its length is right. */
  headerText: (rng, bytes) => withHeader(bytes, (header) => damageJson(rng, header)),
  /** The header's length lies. */
  headerLength(rng, bytes) {
    const out = bytes.slice();
    if (out.length < 8) return out;
    const view = new DataView(out.buffer);
    const length = view.getBigUint64(0, true);
    const near = [
      length + 1n,
      length - 1n,
      length + 8n,
      length - 8n,
      BigInt(out.length),
      BigInt(out.length - 8),
    ];
    view.setBigUint64(
      0,
      BigInt.asUintN(64, rng.next() < 0.6 ? pick(rng, near) : pick(rng, EDGES)),
      true,
    );
    return out;
  },
} satisfies Record<string, Mutation>;
type Kind = keyof typeof MUTATIONS;

const BYTE_KINDS: readonly Kind[] = [
  "flip",
  "set",
  "truncate",
  "extend",
  "remove",
  "insert",
  "overwrite",
  "edge",
];
/** What leaves a file well-formed goes deeper, and is tried more often. */
const DEEP_KINDS: readonly Kind[] = ["field", "graft", "number", "content"];
const ONNX_KINDS: readonly Kind[] = [
  ...BYTE_KINDS,
  ...Array.from({ length: 6 }, () => DEEP_KINDS).flat(),
  "lie",
  "lie",
  "nest",
];
const SAFETENSORS_KINDS: readonly Kind[] = [
  ...BYTE_KINDS,
  "json",
  "json",
  "json",
  "json",
  "json",
  "json",
  "headerText",
  "headerText",
  "headerLength",
];

const INDEX_KINDS: readonly Kind[] = [
  ...BYTE_KINDS,
  ...BYTE_KINDS.map(() => "index" as const),
  "indexText",
];
const KINDS: Readonly<Record<Seed["format"], readonly Kind[]>> = {
  onnx: ONNX_KINDS,
  safetensors: SAFETENSORS_KINDS,
  "safetensors.index.json": INDEX_KINDS,
};

const TEXTS = [
  "",
  "x",
  "../up",
  "/etc/passwd",
  "Constant",
  "If",
  "Loop",
  "Reshape",
  "location",
  "__proto__",
  "constructor",
  "a".repeat(5000),
  "\u{10fe80}",
  "-1",
  "1e9",
];

const allFields = (fields: readonly Field[]): Field[] =>
  fields.flatMap((field) => [field, ...(field.fields ? allFields(field.fields) : [])]);
/** Beyond this a file is large enough; doubling it again and again would take longer than opening it. */
const MAX_BYTES = 2_000_000;
function inTree(bytes: Uint8Array, change: (fields: Field[]) => void): Uint8Array {
  if (bytes.length > MAX_BYTES) throw new Error("large enough");
  const fields = parseTree(bytes);
  change(fields);
  return treeBytes(fields);
}

/** Signs that mean something to a parser, put anywhere. */
const SIGNS: readonly string[] = [
  ...[
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "\\u0000",
    "\\",
    "\0",
    "1e999",
    "-0",
    "null",
    " ".repeat(50),
  ],
];
function damageJson(rng: Random, text: string): string {
  const at = rng.int(text.length + 1);
  return text.slice(0, at) + pick(rng, SIGNS) + text.slice(at + rng.int(4));
}
const asText = (bytes: Uint8Array, change: (text: string) => string): Uint8Array =>
  new TextEncoder().encode(change(new TextDecoder().decode(bytes)));

function withHeader(bytes: Uint8Array, change: (header: string) => string): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const text = new TextEncoder().encode(change(header));
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true);
  return concatBytes([head, text, bytes.subarray(8 + length)]);
}

const JSON_VALUES: readonly string[] = [
  ...["-1", "0", "1", "1.5", "1e3", "1e308", "-0", "9007199254740991", "9007199254740993", "1e999"],
  ...[
    "4294967296",
    "18446744073709551616",
    "null",
    "true",
    '""',
    '"F32"',
    '"BF16"',
    '"F4"',
    '"F6_E2M3"',
  ],
  ...[
    '"C64"',
    '"I64"',
    '"BOOL"',
    '"f32"',
    "[]",
    "[0]",
    "[0,0]",
    "[1,2,3]",
    "[0,4]",
    "{}",
    '{"a":1}',
  ],
  ...["[-1,4]", "[4,0]", "[[0,4]]", '"\\ud800"', '"\\u0000"', "[1e2,4]"],
];
/** One value of the JSON text, or one key, becomes another. */
function attackJson(rng: Random, header: string): string {
  if (rng.next() < 0.08)
    return pick(rng, [
      "[".repeat(3000),
      '{"a":'.repeat(3000),
      "{}",
      "[]",
      `{"w":${"9".repeat(400)}}`,
    ]);
  const tokens = [
    ...header.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|\[[^[\]{}]*\]|\{[^{}]*\}/g),
  ];
  const token = pick(rng, tokens);
  const by =
    rng.next() < 0.6
      ? pick(rng, JSON_VALUES)
      : rng.next() < 0.5
        ? pick(rng, tokens)[0]
        : pick(rng, [
            '"__metadata__"',
            '"__proto__"',
            '"dtype"',
            '"shape"',
            '"data_offsets"',
            '"x"',
            '"weight_map"',
            '"shard-1.safetensors"',
            '"../shard-1.safetensors"',
          ]);
  return header.slice(0, token.index) + by + header.slice(token.index + token[0].length);
}
