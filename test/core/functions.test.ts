/** A model's own functions and its training information: which is called, and what is wrong with them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expansionOf, functionName, functionsOf } from "../../src/core/functions.ts";
import { mainGraph } from "../../src/core/model.ts";
import { inferShapes } from "../../src/core/shapeInference.ts";
import { trainingSizes } from "../../src/formats/index.ts";
import type {
  FunctionProto,
  FunctionProtoSchema,
  TrainingInfoProto,
  TrainingInfoProtoSchema,
} from "../../src/formats/onnx_pb.ts";
import { findDeclarations, findUnused } from "../../src/transforms/graph/lib/unused.ts";
import { onnxBytes, readOnnx, type GraphInit } from "../formats/make.ts";
import { verdictOn } from "../helpers/verdict.ts";

type FunctionInit = Exclude<MessageInitShape<typeof FunctionProtoSchema>, FunctionProto>;
type TrainingInit = Exclude<MessageInitShape<typeof TrainingInfoProtoSchema>, TrainingInfoProto>;

const tensorType = (...dims: number[]) => ({
  value: {
    case: "tensorType" as const,
    value: {
      elemType: 1,
      shape: { dim: dims.map((d) => ({ value: { case: "dimValue" as const, value: BigInt(d) } })) },
    },
  },
});
const node = (opType: string, input: string[], output: string[], rest: object = {}) => ({
  opType,
  input,
  output,
  ...rest,
});
const OPSETS = [{ version: 17n }, { domain: "my", version: 1n }];
const f = (name: string, rest: Partial<FunctionInit> = {}): FunctionInit => ({
  domain: "my",
  name,
  input: ["a"],
  output: ["b"],
  node: [node("Relu", ["a"], ["b"])],
  opsetImport: OPSETS,
  ...rest,
});
const call = (name: string, input: string, output: string, overload = "") =>
  node(name, [input], [output], { domain: "my", ...(overload === "" ? {} : { overload }) });
const model = (
  nodes: GraphInit["node"],
  functions: FunctionInit[],
  trainingInfo: TrainingInit[] = [],
): Uint8Array =>
  onnxBytes({
    irVersion: 10n,
    opsetImport: OPSETS,
    functions,
    trainingInfo,
    graph: {
      name: "g",
      input: [{ name: "x", type: tensorType(2, 3) }],
      initializer: [{ name: "w", dims: [1n], dataType: 1, floatData: [1] }],
      node: [...(nodes ?? []), node("Mul", ["x", "w"], ["y"])],
      output: [{ name: "y", type: tensorType(2, 3) }],
    },
  });
const found = (bytes: Uint8Array): string[] => {
  const { findings, unreadable } = verdictOn(() => readOnnx(bytes));
  assert.equal(unreadable, null);
  return findings.map(
    ({ severity, code, place, message }) =>
      `${severity} ${code} ${place.inFunction ?? place.inTraining ?? "-"}: ${message}`,
  );
};

describe("functions of a model", () => {
  it("are told apart by their overload, in nodes and in inference", () => {
    const read = readOnnx(
      model(
        [call("F", "x", "p"), call("F", "x", "q", "t"), call("F", "x", "r", "none")],
        [
          f("F"),
          f("F", {
            overload: "t",
            node: [node("Transpose", ["a"], ["b"])],
          }),
        ],
      ),
    );
    const functionOf = functionsOf(read);
    assert.deepEqual(
      mainGraph(read).nodes.map((n) => {
        const called = functionOf(n);
        return called ? functionName(called) : null;
      }),
      ["my.F", "my.F:t", null, null],
    );
    const shapes = inferShapes(read);
    const shapeOf = (name: string) => shapes.shapeOf([], name);
    assert.deepEqual([shapeOf("p"), shapeOf("q"), shapeOf("r")], [[2, 3], [3, 2], null]);
  });

  it("that are right are no finding", () => {
    assert.deepEqual(
      found(model([call("F", "x", "p")], [f("F"), f("F", { overload: "other" })])),
      [],
    );
  });

  it("are counted as the nodes that their calls become, without expanding them", () => {
    const twice = (name: string, callee: string): FunctionInit =>
      f(name, { node: [call(callee, "a", "c"), call(callee, "c", "b")] });
    const size = (depth: number, last: FunctionInit) => {
      const functions = Array.from({ length: depth }, (_, i) => twice(`F${i}`, `F${i + 1}`));
      const { nodes, largest } = expansionOf(
        readOnnx(model([call("F0", "x", "p")], [...functions, last])),
      );
      return [nodes, largest?.name];
    };
    // 2^depth nodes, and the Mul of the main graph.
    assert.deepEqual(size(10, f("F10")), [1025, "F0"]);
    assert.deepEqual(size(60, f("F60")), [2 ** 60, "F0"]);
    assert.deepEqual(size(2000, f("F2000")), [Infinity, "F0"]);
    assert.deepEqual(size(3, twice("F3", "F0")), [1, "F0"]);
    assert.deepEqual(expansionOf(readOnnx(model([], [f("F")]))), { nodes: 1, largest: null });
  });

  const CASES: readonly (readonly [string, Uint8Array, readonly string[]])[] = [
    [
      "an overload there is not",
      model([call("F", "x", "p", "none")], [f("F")]),
      [
        'warning function-missing -: The model has functions "my.F", but none with the overload "none".',
      ],
    ],
    [
      "two of one name",
      model([], [f("F"), f("F")]),
      ['error duplicate-function my.F: There are two functions "my.F".'],
    ],
    [
      "one that calls itself",
      model([], [f("F", { node: [call("F", "a", "b")] })]),
      ['error function-cycle my.F: The function "my.F" calls itself.'],
    ],
    [
      "two that call each other, one from a branch",
      model(
        [],
        [
          f("F", { node: [call("G", "a", "b")] }),
          f("G", {
            node: [
              node("If", ["a"], ["b"], {
                attribute: ["then_branch", "else_branch"].map((name) => ({
                  name,
                  type: 5,
                  g: {
                    name,
                    node: [call("F", "a", name)],
                    output: [{ name }],
                  },
                })),
              }),
            ],
          }),
        ],
      ),
      ['error function-cycle my.F: The function "my.F" calls itself, by "my.G".'],
    ],
    [
      "an output listed twice",
      model([], [f("F", { output: ["b", "b"] })]),
      ['error function my.F: The function "my.F" has two outputs named "b".'],
    ],
    [
      "an operator that is another in the function's operator set",
      model(
        [],
        [
          f("F", {
            node: [node("Softmax", ["a"], ["b"])],
            opsetImport: [{ version: 11n }],
          }),
        ],
      ),
      [
        'error function-opset my.F: The function "my.F" imports version 11 of "ai.onnx", and the model 17, in which Softmax is another.',
      ],
    ],
    [
      "an attribute without a type",
      model(
        [],
        [
          f("F", {
            node: [node("LeakyRelu", ["a"], ["b"], { attribute: [{ name: "alpha", f: 1 }] })],
          }),
        ],
      ),
      [
        'error attribute-value my.F: The attribute "alpha" does not say its type, which IR version 10 asks for.',
      ],
    ],
  ];
  for (const [name, bytes, expected] of CASES)
    it(`finds ${name}`, () => {
      const findings = found(bytes);
      for (const line of expected) assert.ok(findings.includes(line), findings.join("\n"));
    });

  it("that call each other 5,000 deep are said to, soon", () => {
    const many = Array.from({ length: 5000 }, (_, i) =>
      f(`F${i}`, i < 4999 ? { node: [call(`F${i + 1}`, "a", "b")] } : {}),
    );
    const bytes = model([call("F0", "x", "p")], many);
    const started = performance.now();
    const findings = found(bytes);
    assert.ok(performance.now() - started < 3000);
    assert.match(findings.join("\n"), /function-depth my\.F0: Calls lie 5000 deep/);
  });
});

describe("training information", () => {
  const info = (change: Partial<TrainingInit> = {}): TrainingInit => ({
    initialization: {
      name: "start",
      node: [
        node("RandomNormal", [], ["w0"], { attribute: [{ name: "shape", type: 7, ints: [1n] }] }),
      ],
      output: [{ name: "w0", type: tensorType(1) }],
    },
    algorithm: {
      name: "step",
      initializer: [{ name: "rate", dims: [1n], dataType: 1, floatData: [0.1] }],
      node: [node("Sub", ["w", "rate"], ["w1"])],
      output: [{ name: "w1", type: tensorType(1) }],
    },
    initializationBinding: [{ key: "w", value: "w0" }],
    updateBinding: [{ key: "w", value: "w1" }],
    ...change,
  });
  const algorithm = (change: GraphInit): TrainingInit =>
    info({ algorithm: { ...info().algorithm, ...change } as GraphInit });
  const findingsOf = (...infos: TrainingInit[]): string[] => found(model([], [], infos));

  it("that is right is no finding, and its sizes are known", () => {
    assert.deepEqual(findingsOf(info()), []);
    assert.deepEqual(trainingSizes(readOnnx(model([], [], [info()]))), [
      { initialization: { nodes: 1, sets: 1 }, algorithm: { nodes: 1, sets: 1 } },
    ]);
    assert.deepEqual(findingsOf({}), []);
  });
  const CASES: readonly (readonly [string, TrainingInit, string])[] = [
    [
      "an input that nothing makes",
      algorithm({ node: [node("Sub", ["w", "rat"], ["w1"])] }),
      'error missing-input algorithm 1: Nothing makes the input "rat": no node, initializer or graph input has that name.',
    ],
    [
      "a name that the model has",
      algorithm({ node: [node("Sub", ["w", "rate"], ["y"]), node("Relu", ["y"], ["w1"])] }),
      'error duplicate-name algorithm 1: The output "y" is not new: a graph around this one has a value of that name.',
    ],
    [
      "an operator there is not",
      algorithm({ node: [node("Subb", ["w", "rate"], ["w1"])] }),
      "error unknown-operator algorithm 1: ONNX has no operator Subb.",
    ],
    [
      "a graph without a name",
      algorithm({ name: "" }),
      "error graph-name algorithm 1: The graph has no name.",
    ],
    [
      "an initialization with inputs",
      info({
        initialization: {
          ...(info().initialization as GraphInit),
          input: [{ name: "seed", type: tensorType(1) }],
        },
      }),
      'error training-input initialization 1: The graph that initializes the training has the input "seed", and it must have none.',
    ],
    [
      "a binding to no initializer",
      info({ updateBinding: [{ key: "v", value: "w1" }] }),
      'error training-binding algorithm 1: Training sets "v", and neither the model nor the algorithm has an initializer of that name.',
    ],
    [
      "a binding to no output",
      info({ initializationBinding: [{ key: "w", value: "w1" }] }),
      'error training-binding initialization 1: Training sets "w" to "w1", which is no output of the graph.',
    ],
  ];
  for (const [name, init, expected] of CASES)
    it(`finds ${name}`, () => {
      const findings = findingsOf(init);
      assert.ok(findings.includes(expected), findings.join("\n"));
    });
  it("finds a variable that two steps update", () => {
    assert.deepEqual(
      findingsOf(info(), info({ initialization: { name: "i" }, initializationBinding: [] })),
      ['error training-binding algorithm 2: The initializer "w" is set twice.'],
    );
  });

  it("uses what it names: none of it is unused", () => {
    const read = readOnnx(
      onnxBytes({
        irVersion: 10n,
        opsetImport: [{ version: 17n }, { domain: "ai.onnx.preview.training", version: 1n }],
        graph: {
          name: "g",
          input: [{ name: "x", type: tensorType(1) }],
          initializer: ["m", "loose"].map((name) => ({
            name,
            dims: [1n],
            dataType: 1,
            floatData: [1],
          })),
          node: [node("Relu", ["x"], ["y"]), node("Exp", ["x"], ["e"]), node("Abs", ["x"], ["a"])],
          output: [{ name: "y", type: tensorType(1) }],
        },
        trainingInfo: [
          {
            algorithm: {
              name: "step",
              node: [node("Momentum", ["e"], ["m1"], { domain: "ai.onnx.preview.training" })],
              output: [{ name: "m1" }],
            },
            updateBinding: [{ key: "m", value: "m1" }],
          },
        ],
      }),
    );
    const [unused, ...more] = findUnused(read);
    assert.deepEqual(
      [unused!.nodes.map(({ op }) => op), unused!.tensors.map(({ name }) => name), more.length],
      [["Abs"], ["loose"], 0],
    );
    assert.deepEqual(findDeclarations(read).domains, []);
  });
});
