/** Operators on strings. */
import { dtype } from "../../shared/dtype.ts";
import { broadcast, value, type Rule, type RuleTable } from "./rule.ts";

const string = dtype("string");

/** Stop words are left out, so that only without any the size stays. */
const normalizer: Rule = (c) => {
  const { shape } = c.input(0);
  const stop = c.node.attrs["stopwords"];
  const drops = stop !== undefined && !(stop.kind === "strings" && stop.value.length === 0);
  const last = shape === null ? 0 : shape.length - 1;
  return [value(string, drops ? (shape?.map((d, i) => (i === last ? null : d)) ?? null) : shape)];
};

/** One column per n-gram of the pool. */
const tfIdf: Rule = (c) => {
  const { shape } = c.input(0);
  const columns = c.ints("ngram_indexes")?.reduce((a, b) => Math.max(a, b), -1);
  const width = columns === undefined ? null : columns + 1;
  return [value(dtype("float32"), shape && [...shape.slice(0, -1), width])];
};

export const textRules: RuleTable = {
  StringConcat: (c) => [value(string, broadcast(c, [c.input(0).shape, c.input(1).shape]))],
  StringNormalizer: normalizer,
  StringSplit: (c) => {
    const { shape } = c.input(0);
    return [value(string, shape && [...shape, null]), value(dtype("int64"), shape)];
  },
  RegexFullMatch: (c) => [value(dtype("bool"), c.input(0).shape)],
  TfIdfVectorizer: tfIdf,
};
