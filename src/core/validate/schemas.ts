/** The operator schemas of ONNX, all versions (schemas.json, written by scripts/operatorSchemas.py). */
import { nearest } from "../../shared/failure.ts";
import table from "./schemas.json";

export interface Parameter {
  readonly name: string;
  readonly option: "single" | "optional" | "variadic";
  /** All inputs of a variadic one have one type. */
  readonly homogeneous: boolean;
  /** Name of a type variable ("T"), or null where `types` is all there is. */
  readonly variable: string | null;
  /** Allowed types as ONNX writes them: "tensor(float)". */
  readonly types: ReadonlySet<string>;
}
export interface AttributeSchema {
  readonly type: AttributeType;
  readonly required: boolean;
}
export type AttributeType =
  "f" | "i" | "s" | "t" | "g" | "fs" | "is" | "ss" | "ts" | "gs" | "st" | "sts" | "tp" | "tps";
export interface Schema {
  readonly since: number;
  /** Fewest and most inputs and outputs. */
  readonly inputs: readonly [min: number, max: number];
  readonly outputs: readonly [min: number, max: number];
  readonly inputList: readonly Parameter[];
  readonly outputList: readonly Parameter[];
  readonly attributes: ReadonlyMap<string, AttributeSchema>;
}
export type SchemaAnswer =
  | { readonly kind: "schema"; readonly schema: Schema }
  /** No operator set of this domain has it. */
  | { readonly kind: "unknown"; readonly nearest: string | null }
  | { readonly kind: "tooNew"; readonly since: number }
  | { readonly kind: "removed"; readonly since: number };

type Row = readonly [
  since: number,
  counts?: readonly number[] | 0,
  ...parts: readonly (string | 0)[],
];
const OPERATORS = new Map(
  Object.entries(table.operators).map(([domain, operators]) => [
    domain,
    new Map<string, readonly Row[]>(Object.entries(operators as unknown as Record<string, Row[]>)),
  ]),
);

/** Newest operator set of a domain in the table; null for domains that ONNX does not define. */
export const newestOpset = (domain: string): number | null => NEWEST.get(domain) ?? null;
/** Asked of every node. */
const NEWEST = new Map<string, number>(Object.entries(table.newest));
export const NEWEST_IR = table.ir;
export const SCHEMA_SOURCE = `onnx ${table.onnx}`;
/** The IR version that was current when the operator set came; null when it is not known. */
export const irOfOpset = (opset: number): number | null =>
  new Map<string, number>(Object.entries(table.irOfOpset)).get(String(opset)) ?? null;

/** Of early ONNX, never part of an operator set, and accepted by the checker all the same. */
export const EXPERIMENTAL: ReadonlySet<string> = new Set(
  "ATen Affine ConstantFill Crop DynamicSlice GRUUnit GivenTensorFill ImageScaler ParametricSoftplus Scale ScaledTanh".split(
    " ",
  ),
);

const known = new Map<string, SchemaAnswer>();

/** The schema of an operator in operator set `opset` of a domain that ONNX defines. */
export function schemaOf(domain: string, op: string, opset: number): SchemaAnswer {
  const key = `${domain} ${op} ${opset}`;
  let answer = known.get(key);
  // Bounded by what a hostile file may ask: names of operators there are, and some that are not.
  if (known.size > 4096) known.clear();
  if (!answer) known.set(key, (answer = find(domain, op, opset)));
  return answer;
}

function find(domain: string, op: string, opset: number): SchemaAnswer {
  const operators = OPERATORS.get(domain);
  const rows = operators?.get(op);
  if (!rows)
    return { kind: "unknown", nearest: operators ? nearest(op, [...operators.keys()]) : null };
  const at = rows.filter(([since]) => since <= opset).length - 1;
  const row = rows[at];
  if (!row) return { kind: "tooNew", since: rows[0]?.[0] ?? 0 };
  if (row.length === 1) return { kind: "removed", since: row[0] };
  // A part that did not change is written as 0.
  const part = (column: number): string => {
    for (let i = at; i >= 0; i--) {
      const found = rows[i]?.[column];
      if (typeof found === "string") return found;
    }
    return "";
  };
  const counts = rows
    .slice(0, at + 1)
    .reduce<readonly number[]>((found, one) => (Array.isArray(one[1]) ? one[1] : found), []);
  const [fewestIn = 0, mostIn = 0, fewestOut = 0, mostOut = 0] = counts;
  const variables = new Map(
    words(part(5), " ").map((word): [string, ReadonlySet<string>] => {
      const [name = "", set = ""] = word.split("=");
      return [name, typeSet(Number(set))];
    }),
  );
  return {
    kind: "schema",
    schema: {
      since: row[0],
      inputs: [fewestIn, mostIn < 0 ? Infinity : mostIn],
      outputs: [fewestOut, mostOut < 0 ? Infinity : mostOut],
      inputList: words(part(2), "|").map((text) => parameter(text, variables)),
      outputList: words(part(3), "|").map((text) => parameter(text, variables)),
      attributes: new Map(words(part(4), "|").map(attribute)),
    },
  };
}
const words = (text: string, separator: string): string[] =>
  text === "" ? [] : text.split(separator);

const typeSet = (index: number): ReadonlySet<string> =>
  new Set((table.sets[index] ?? []).flatMap((i) => table.types[i] ?? []));

/** `name`, `?` optional, `*` variadic, `~` of mixed types; then a variable or `=` and a set of types. */
function parameter(text: string, variables: ReadonlyMap<string, ReadonlySet<string>>): Parameter {
  const [head = "", kind = ""] = text.split(" ");
  const homogeneous = !head.endsWith("~");
  const marked = homogeneous ? head : head.slice(0, -1);
  const option = marked.endsWith("?") ? "optional" : marked.endsWith("*") ? "variadic" : "single";
  return {
    name: option === "single" ? marked : marked.slice(0, -1),
    option,
    homogeneous,
    variable: kind.startsWith("=") ? null : kind,
    types: kind.startsWith("=")
      ? typeSet(Number(kind.slice(1)))
      : (variables.get(kind) ?? new Set()),
  };
}

function attribute(text: string): [string, AttributeSchema] {
  const [name = "", kind = ""] = text.split(" ");
  const required = kind.endsWith("!");
  return [name, { type: (required ? kind.slice(0, -1) : kind) as AttributeType, required }];
}
