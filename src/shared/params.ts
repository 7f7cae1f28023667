/**
 * Parameters as data. One schema per technique gives the type in code, validation, the form in the
 * editor, the CLI flags, the documentation table and the search space.
 */
import { paramErrors } from "./errors.ts";

export interface NumberParam {
  readonly type: "number";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Only these values are accepted, when given. */
  readonly of?: readonly number[];
  readonly integer?: boolean;
  readonly unit?: string;
  readonly title: string;
  readonly help: string;
  /** Values worth trying in a search. */
  readonly search?: readonly number[];
}
export interface ChoiceParam<V extends string = string> {
  readonly type: "choice";
  readonly of: readonly V[];
  readonly default: NoInfer<V>;
  readonly title: string;
  readonly help: string;
  readonly search?: readonly NoInfer<V>[];
}
export interface FlagParam {
  readonly type: "flag";
  readonly default: boolean;
  readonly title: string;
  readonly help: string;
}
/** Free text: names, patterns, values of metadata. */
export interface TextParam {
  readonly type: "text";
  readonly default: string;
  /** An empty value is refused. */
  readonly required?: boolean;
  readonly maxLength: number;
  readonly title: string;
  readonly help: string;
}
export type Param = NumberParam | ChoiceParam | FlagParam | TextParam;
export type ParamSchema = Readonly<Record<string, Param>>;
export type ParamsOf<S extends ParamSchema> = {
  readonly [K in keyof S]: S[K] extends NumberParam
    ? number
    : S[K] extends ChoiceParam<infer V>
      ? V
      : S[K] extends TextParam
        ? string
        : boolean;
};

export const number = (p: Omit<NumberParam, "type">): NumberParam => ({ type: "number", ...p });
export const choice = <const V extends string>(
  p: Omit<ChoiceParam<V>, "type">,
): ChoiceParam<V> => ({ type: "choice", ...p });
export const text = (p: Omit<TextParam, "type">): TextParam => ({ type: "text", ...p });
export const flag = (p: Omit<FlagParam, "type">): FlagParam => ({ type: "flag", ...p });

/** The text of a value as typed on a command line or in a form, as the schema's type; unchanged if it cannot be. */
export function parseParam(param: Param, text: string): number | string | boolean {
  if (param.type === "number") return text.trim() === "" ? text : Number(text);
  if (param.type === "flag") return text === "true" ? true : text === "false" ? false : text;
  return text;
}

/**
 * Fills defaults and checks each value.
 * @throws ParamError naming the key, the value and what would be right; unknown keys name the known ones.
 */
export function readParams<S extends ParamSchema>(
  technique: string,
  schema: S,
  given: Readonly<Record<string, unknown>>,
): ParamsOf<S> {
  for (const key of Object.keys(given))
    if (!Object.hasOwn(schema, key))
      throw paramErrors.unknownKey(technique, key, Object.keys(schema));
  const out: Record<string, unknown> = {};
  for (const [key, param] of Object.entries(schema)) {
    const value = given[key] ?? param.default;
    checkParam(technique, key, param, value);
    out[key] = value;
  }
  return out as ParamsOf<S>;
}

function checkParam(technique: string, key: string, param: Param, value: unknown): void {
  const bad = (expected: string): Error => paramErrors.badValue(technique, key, value, expected);
  switch (param.type) {
    case "number":
      if (param.of) {
        if (!param.of.includes(value as number)) throw bad(`one of ${param.of.join(", ")}`);
        return;
      }
      if (
        typeof value !== "number" ||
        !(value >= param.min && value <= param.max) ||
        (param.integer === true && !Number.isInteger(value))
      )
        throw bad(
          `${param.integer === true ? "a whole number" : "a number"} from ${param.min} to ${param.max}`,
        );
      return;
    case "choice":
      if (!param.of.includes(value as string)) throw bad(`one of ${param.of.join(", ")}`);
      return;
    case "flag":
      if (typeof value !== "boolean") throw bad("true or false");
      return;
    case "text":
      if (typeof value !== "string") throw bad("text");
      if (param.required === true && value === "") throw bad("text that is not empty");
      if (value.length > param.maxLength) throw bad(`at most ${param.maxLength} characters`);
      return;
  }
}
