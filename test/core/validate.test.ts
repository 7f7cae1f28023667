/** Findings of validation: what they say, and whether verdicts are those of the ONNX checker. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { validateModel, type Finding } from "../../src/core/validate/index.ts";
import { schemaOf } from "../../src/core/validate/schemas.ts";
import verdicts from "../fixtures/checkerVerdicts.json";
import { brokenModels, SIDE_FILE } from "../helpers/brokenModels.ts";
import { explanationOf } from "../helpers/explained.ts";
import { tempFolder } from "../helpers/temp.ts";
import { verdictOf } from "../helpers/verdict.ts";
import { modelFromText } from "./modelText.ts";

const findingsOf = (text: string): Finding[] => validateModel(modelFromText(text), () => []);
const x = "input x float32 [2, 4]\n";

/** A graph, then the findings it has: "severity code place: message", the fix after an arrow. */
const CASES: readonly (readonly [name: string, text: string, findings: readonly string[]])[] = [
  ["a good model", `${x}y = Relu(x)\noutput y float32 [2, 4]`, []],
  [
    "a misspelt input",
    `${x}hidden = Relu(x)\ny = Relu(hiden)`,
    [
      'error missing-input y hiden: Nothing makes the input "hiden": no node, initializer or graph input has that name. → Did you mean "hidden"? Otherwise add an initializer or a graph input of that name.',
    ],
  ],
  [
    "nodes in the wrong order",
    `${x}y = Relu(h)\nh = Exp(x)`,
    [
      'error not-sorted y h: The input "h" is made only later, by node "h". → List the nodes in topological order: graph.clean puts them there.',
    ],
  ],
  [
    "a cycle",
    `${x}a = Add(x, b)\nb = Relu(a)`,
    [
      'error cycle a b: The input "b" depends on this node\'s own output: the nodes form a cycle. → Cut the cycle; what repeats belongs in the body of a Loop or Scan.',
    ],
  ],
  [
    "a misspelt operator",
    `${x}y = Relux(x)`,
    [
      "error unknown-operator y -: ONNX has no operator Relux. → Did you mean Relu? A custom operator needs the domain of its library.",
    ],
  ],
  [
    "an operator that is too new",
    `opset 17\n${x}y = Gelu(x)`,
    [
      "error operator-too-new y -: Gelu came with operator set 20, and the model imports operator set 17. → Bring the model to operator set 20 (graph.upgradeOpset), or use older operators.",
    ],
  ],
  [
    "an attribute that became an input",
    `opset 18\n${x}y = ReduceMean(x) { axes: [1] }`,
    [
      'error unknown-attribute y -: ReduceMean of operator set 18 has no attribute "axes". → Remove it; it was there up to operator set 17.',
    ],
  ],
  [
    "an attribute of another type",
    `${x}y = Softmax(x) { axis: 1.0 }`,
    [
      'error attribute-type y -: The attribute "axis" of Softmax is a float, and it has to be an int. → Write it as an int.',
    ],
  ],
  [
    "too few inputs",
    `${x}y = MatMul(x)`,
    ["error input-count y -: MatMul has 1 input and takes 2. → Add B."],
  ],
  [
    "sizes that do not fit",
    `${x}w = float32 [3, 5] ones\ny = MatMul(x, w)`,
    [
      "type impossible y -: [2, 4] times [3, 5]: the inner sizes 4 and 3 differ. → Change the shapes or the attributes so that they fit.",
    ],
  ],
  [
    "two types",
    `${x}w = int64 [4] ones\ny = Add(x, w)`,
    [
      'type types-differ y w: Add takes inputs of one type, and "x" is tensor(float), "w" tensor(int64). → Cast one of them.',
    ],
  ],
  [
    "a false declaration",
    `${x}y = Relu(x)\noutput y float32 [2, 5]`,
    [
      'type declared y y: "y" is declared as float32 [2, 5], but it is float32 [2, 4]. → Correct the declaration of the graph output.',
    ],
  ],
  [
    "an error inside a branch",
    `${x}input c bool []
     y = If(c) {
       then_branch: graph { p = Relu(nowhere) output p float32 },
       else_branch: graph { q = Relu(x) output q float32 }
     }`,
    [
      'error missing-input p nowhere: Nothing makes the input "nowhere": no node, initializer or graph input has that name. → Add an initializer or a graph input of that name, or connect the node to a value there is.',
    ],
  ],
  [
    "an initializer that is no input, in IR 3",
    `ir 3\nopset 8\n${x}w = float32 [4] ones\ny = Add(x, w)`,
    [
      'error initializer-not-input - w: The initializer "w" is no graph input, which IR version 3 asks for. → List it as a graph input too, or raise the IR version to 4 or later.',
    ],
  ],
  [
    "an initializer that nothing uses",
    `${x}w = float32 [4] ones\ny = Relu(x)`,
    [
      'warning unused-initializer - w: Nothing uses the initializer "w". → Remove it; graph.clean does.',
    ],
  ],
];

describe("validation", () => {
  for (const [name, text, findings] of CASES)
    it(`of ${name}`, () => {
      assert.deepEqual(
        findingsOf(text).map(
          ({ severity, code, place, message, fix }) =>
            `${severity} ${code} ${place.node ?? "-"} ${place.value ?? "-"}: ${message} → ${fix}`,
        ),
        findings,
      );
    });

  it("knows where a node is", () => {
    const [finding] = findingsOf(CASES[12]![1]);
    assert.deepEqual(finding?.place.graph, ["y", "then_branch"]);
    assert.equal(finding?.place.op, "Relu");
  });

  it("of a file in which everything is wrong ends soon", () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => `y${i} = Relux(n${i}, m${i}) { c: 1 }`);
    const branches = Array.from(
      { length: 300 },
      (_, i) => `z${i} = If(c) { then_branch: graph { p${i} = Relu(q) output p${i} float32 } }`,
    );
    const model = modelFromText(`input c bool []\n${[...nodes, ...branches].join("\n")}`);
    const started = performance.now();
    let leftOut = 0;
    const findings = validateModel(
      model,
      () => [],
      [],
      () => leftOut++,
    );
    assert.equal(findings.length, 10_000);
    assert.ok(leftOut > 50_000, String(leftOut));
    assert.ok(performance.now() - started < 4000);
  });

  it("gives the verdicts of the ONNX checker on broken models", (t) => {
    const folder = tempFolder(t);
    writeFileSync(path.join(folder, SIDE_FILE), new Uint8Array(8));
    const accepted = new Map(Object.entries(verdicts.accepted));
    const models = brokenModels(verdicts.count, verdicts.seed);
    assert.equal(models.length, accepted.size);
    assert.ok(new Set(models.map(({ name }) => name.replace(/ #\d+$/, ""))).size >= 100);
    const file = path.join(folder, "model.onnx");
    for (const { name, bytes } of models) {
      writeFileSync(file, bytes);
      const ours = verdictOf(file);
      if (explanationOf(name) === null)
        assert.deepEqual([ours.plain, ours.full], accepted.get(name), name);
      else assert.notDeepEqual([ours.plain, ours.full], accepted.get(name), name);
    }
  });
});

describe("operator schemas", () => {
  it("are those of the version that is imported", () => {
    const at = (opset: number): unknown => {
      const answer = schemaOf("", "Upsample", opset);
      return answer.kind === "schema" ? [answer.schema.since, answer.schema.inputs] : answer.kind;
    };
    assert.deepEqual(
      [at(1), at(8), at(9), at(10), at(20)],
      [[1, [1, 1]], [7, [1, 1]], [9, [2, 2]], "removed", "removed"],
    );
    assert.equal(schemaOf("", "Gelu", 17).kind, "tooNew");
  });
  it("have parameters, attributes and types", () => {
    const answer = schemaOf("", "Clip", 13);
    assert.equal(answer.kind, "schema");
    const [input, min] = answer.schema.inputList;
    assert.deepEqual([input?.option, min?.option, min?.variable], ["single", "optional", "T"]);
    assert.ok(input?.types.has("tensor(float16)"));
    const conv = schemaOf("", "Concat", 13);
    assert.equal(conv.kind, "schema");
    assert.deepEqual(conv.schema.attributes.get("axis"), { type: "i", required: true });
  });
});
