/** Classical machine learning (domain ai.onnx.ml) and training (ai.onnx.preview.training). */
import { dtype, type Dtype } from "../../shared/dtype.ts";
import type { Dim } from "../model.ts";
import { add } from "./dims.ts";
import {
  holding,
  sequenceOf,
  UNKNOWN,
  value,
  type Rule,
  type RuleContext,
  type RuleTable,
} from "./rule.ts";

const float32 = dtype("float32");
const int64 = dtype("int64");
const string = dtype("string");

const rows = (c: RuleContext): Dim => {
  const { shape } = c.input(0);
  // A single vector counts as one row.
  return shape === null ? null : shape.length === 1 ? 1 : (shape[0] ?? null);
};
const same =
  (type: (c: RuleContext) => Dtype | null): Rule =>
  (c) => [value(type(c), c.input(0).shape)];
const asInput = same((c) => c.input(0).dtype);
const asFloat = same(() => float32);
const listLength = (c: RuleContext, ...names: readonly string[]): number | null => {
  for (const name of names) {
    const attr = c.node.attrs[name];
    if (attr?.kind === "strings" || attr?.kind === "ints" || attr?.kind === "floats")
      return attr.value.length;
  }
  return null;
};

const labelEncoder: Rule = (c) => {
  const { dtype: type, shape } = c.input(0);
  const values = ["values_strings", "values_int64s", "values_floats"].findIndex(
    (name) => c.node.attrs[name] !== undefined,
  );
  const tensor = c.constant("values_tensor");
  // Operator set 1 maps between strings and whole numbers by `classes_strings`.
  const other = type === null ? null : type.kind === "string" ? int64 : string;
  return [value(tensor?.dtype ?? [string, int64, float32][values] ?? other, shape)];
};

/** Labels [N], and scores [N, classes]. */
const classifier =
  (strings: string, ints: string): Rule =>
  (c) => {
    const classes = listLength(c, strings, ints);
    const type = c.node.attrs[strings] ? string : int64;
    // Two classes may be told by one weight, and one class gives two columns in some exporters' hands.
    const columns = classes !== null && classes > 2 ? classes : null;
    return [value(type, [rows(c)]), value(float32, [rows(c), columns])];
  };

const regressor =
  (targets: string): Rule =>
  (c) => [value(float32, [rows(c), c.int(targets, 1)])];

/** Inputs R, T, then X…, G…, and the optimizer's states; outputs X…, then the states. */
const optimizer =
  (states: number): Rule =>
  (c) => {
    const count = Math.floor((c.inputCount - 2) / (states + 2));
    const tensors = (group: number): ReturnType<Rule> =>
      Array.from({ length: count }, (_, i) => {
        const { dtype: type, shape } = c.input(2 + group * count + i);
        return value(type, shape);
      });
    return [...tensors(0), ...Array.from({ length: states }, (_, i) => tensors(i + 2)).flat()];
  };

export const classicRules: RuleTable = {
  ArrayFeatureExtractor: (c) => {
    const { dtype: type, shape } = c.input(0);
    const picked = c.input(1).shape?.at(-1) ?? null;
    if (shape === null) return [value(type, null)];
    return [value(type, shape.length === 1 ? [1, picked] : [...shape.slice(0, -1), picked])];
  },
  Binarizer: asInput,
  CategoryMapper: same((c) => {
    const { dtype: type } = c.input(0);
    return type === null ? null : type.kind === "string" ? int64 : string;
  }),
  FeatureVectorizer: (c) => [
    value(float32, [rows(c), (c.ints("inputdimensions") ?? [null]).reduce<Dim>(add, 0)]),
  ],
  Imputer: asInput,
  LabelEncoder: labelEncoder,
  LinearClassifier: classifier("classlabels_strings", "classlabels_ints"),
  LinearRegressor: regressor("targets"),
  Normalizer: asFloat,
  OneHotEncoder: (c) => {
    const { shape } = c.input(0);
    return [value(float32, shape && [...shape, listLength(c, "cats_int64s", "cats_strings")])];
  },
  Scaler: asFloat,
  SVMClassifier: classifier("classlabels_strings", "classlabels_ints"),
  SVMRegressor: (c) => [value(float32, [rows(c), 1])],
  TreeEnsemble: (c) => [value(c.input(0).dtype, [rows(c), c.int("n_targets", 1)])],
  TreeEnsembleClassifier: classifier("classlabels_strings", "classlabels_int64s"),
  TreeEnsembleRegressor: regressor("n_targets"),
  ZipMap: (c) => [sequenceOf(holding("map", UNKNOWN), c.input(0).shape?.[0] ?? null)],
};
export const trainingRules: RuleTable = {
  Adagrad: optimizer(1),
  Adam: optimizer(2),
  Momentum: optimizer(1),
};
