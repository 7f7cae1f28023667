import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diffModels } from "../../src/core/diff.ts";
import { matchModels } from "../../src/core/matching.ts";
import { graphKey, type GraphNode, type Model } from "../../src/core/model.ts";
import { modelFromText } from "./modelText.ts";

const diff = (before: string, after: string) =>
  diffModels(modelFromText(before), modelFromText(after));
const BASE = `
  input x float32 [2, 32]
  w = float32 [32, 8] normal
  b = float32 [8] normal
  h = MatMul(x, w) { name: "fc" }
  s = Add(h, b)
  y = Relu(s)
  output y float32 [2, 8]`;

const UNCHANGED = {
  matched: 0,
  added: [],
  removed: [],
  changed: [],
  groups: [],
  constants: { added: 0, removed: 0 },
};

describe("node matching", () => {
  const pairs = (before: string, after: string): string[] =>
    matchModels(modelFromText(before), modelFromText(after)).pairs.map(
      ({ before: a, after: b }) => `${a.node.outputs[0]}=${b.node.outputs[0]}`,
    );

  it("finds a model in itself", () => {
    const { graph, tensors } = diff(BASE, BASE);
    assert.deepEqual(graph, { ...UNCHANGED, matched: 3 });
    assert.deepEqual(tensors, []);
  });
  it("follows edges where all names differ", () => {
    const renamed = `
      input p float32 [2, 32]
      v1 = float32 [32, 8] normal
      v2 = float32 [8] normal
      q1 = MatMul(p, v1)
      q2 = Add(q1, v2)
      q3 = Relu(q2)
      output q3 float32 [2, 8]`;
    assert.deepEqual(pairs(BASE, renamed), ["h=q1", "s=q2", "y=q3"]);
  });
  it("tells branches apart by what they lead to", () => {
    const graph = (a: string, b: string): string => `
      input x float32 [4]
      ${a}1 = Relu(x)
      ${b}1 = Relu(x)
      ${a}2 = Exp(${a}1)
      ${b}2 = Neg(${b}1)
      y = Sub(${a}2, ${b}2)
      output y float32 [4]`;
    assert.deepEqual(pairs(graph("a", "b"), graph("p", "q")), [
      "a1=p1",
      "b1=q1",
      "a2=p2",
      "b2=q2",
      "y=y",
    ]);
  });
  it("goes into the bodies of matched nodes", () => {
    const graph = (name: string): string => `
      input x float32 [4]
      input c bool []
      y = If(c) {
        then_branch: graph { ${name} = Relu(x) output ${name} float32 [4] },
        else_branch: graph { q = Neg(x) output q float32 [4] }
      }
      output y float32 [4]`;
    assert.deepEqual(pairs(graph("p"), graph("r")), ["y=y", "p=r", "q=q"]);
  });
});

describe("what changed", () => {
  it("an inserted node is added, and its user says where its input comes from", () => {
    const { graph } = diff(BASE, BASE.replace("y = Relu(s)", "t = Sigmoid(s)\n  y = Relu(t)"));
    assert.equal(graph.matched, 3);
    assert.deepEqual(graph.added, [{ name: "t", op: "Sigmoid" }]);
    assert.deepEqual(graph.removed, []);
    assert.deepEqual(graph.changed, [
      { name: "y", op: "Relu", what: 'input 0 comes from Sigmoid "t" instead of Add "s"' },
    ]);
  });
  it("a removed node likewise", () => {
    const { graph } = diff(BASE.replace("y = Relu(s)", "t = Identity(s)\n  y = Relu(t)"), BASE);
    assert.deepEqual(graph.removed, [{ name: "t", op: "Identity" }]);
    assert.equal(graph.changed[0]?.what, 'input 0 comes from Add "s" instead of Identity "t"');
  });
  it("attributes are told in words", () => {
    const softmax = (attrs: string): string =>
      `input x float32 [2, 3]\ny = Softmax(x)${attrs}\noutput y float32 [2, 3]`;
    const what = (a: string, b: string) => diff(softmax(a), softmax(b)).graph.changed[0]?.what;
    assert.equal(what(" { axis: 0 }", " { axis: 1 }"), "axis 0 → 1");
    assert.equal(what("", " { axis: 1 }"), "axis set to 1");
    assert.equal(what(" { axis: 0 }", ""), "axis no longer set (was 0)");
  });
  it("an operator that took another's place is a change, not a loss and a gain", () => {
    const { graph, tensors } = diff(
      BASE,
      `opset com.microsoft 1
      input x float32 [2, 32]
      w_q = uint8 [8, 1, 16] range
      w_s = float32 [8, 1] ones
      b = float32 [8] normal
      h = com.microsoft.MatMulNBits(x, w_q, w_s) { K: 32, N: 8, bits: 4, block_size: 32, name: "fc" }
      s = Add(h, b)
      y = Relu(s)
      output y float32 [2, 8]`,
    );
    assert.deepEqual(graph, {
      ...UNCHANGED,
      matched: 2,
      groups: [
        { kind: "replaced", before: "MatMul", after: "MatMulNBits", count: 1, names: ["fc"] },
      ],
      changed: [
        {
          name: "fc",
          op: "MatMul",
          what: "MatMul replaced by MatMulNBits (K 32, N 8, bits 4, block_size 32)",
        },
      ],
    });
    const replaced = tensors.find(({ name }) => name === "w");
    assert.equal(replaced?.status, "replaced");
    assert.equal(replaced.detail, "float32 [32, 8] → 4-bit codes in blocks of 32");
    assert.deepEqual(
      replaced.after.map(({ name }) => name),
      ["w_q", "w_s"],
    );
    // [N, K] codes stand for a [K, N] matrix.
    assert.equal(replaced.form?.transposed, true);
  });
  it("several nodes may take one's place", () => {
    const { graph } = diff(
      BASE.replace("y = Relu(s)", "y = HardSwish(s)"),
      BASE.replace("y = Relu(s)", "p = HardSigmoid(s)\n  y = Mul(s, p)"),
    );
    assert.deepEqual(graph.added, []);
    assert.deepEqual(graph.removed, []);
    assert.equal(graph.changed[0]?.what, "HardSwish replaced by HardSigmoid + Mul");
  });
  it("neighbouring replacements stay apart", () => {
    const before = `input x float32 [4, 4]
      v = float32 [4, 4] normal
      w = float32 [4, 4] normal
      h = MatMul(x, v)
      y = MatMul(h, w)
      output y float32 [4, 4]`;
    const after = before
      .replace("h = MatMul(x, v)", "h = Gemm(x, v)")
      .replace("y = MatMul(h, w)", "y = Gemm(h, w)");
    assert.deepEqual(
      diff(before, after).graph.changed.map(({ name }) => name),
      ["h", "y"],
    );
  });
  it("a weight dequantized on the way is replaced by its codes and scales", () => {
    const { graph, tensors } = diff(
      `opset 21\n${BASE}`,
      `opset 21
      input x float32 [2, 32]
      w_q = uint4 [32, 8] [${Array.from({ length: 256 }, (_, i) => i % 16).join(", ")}]
      w_s = float32 [2, 8] ones
      b = float32 [8] normal
      w_d = DequantizeLinear(w_q, w_s) { axis: 0, block_size: 16 }
      h = MatMul(x, w_d) { name: "fc" }
      s = Add(h, b)
      y = Relu(s)
      output y float32 [2, 8]`,
    );
    assert.deepEqual(graph.added, []);
    assert.equal(
      graph.changed[0]?.what,
      "MatMul → DequantizeLinear + MatMul; input 1 (w): float32 [32, 8] → uint4 [32, 8] codes, scaled per block of 16",
    );
    const replaced = tensors.find(({ name }) => name === "w");
    assert.equal(replaced?.form?.kind, "linear");
    assert.deepEqual(
      replaced.after.map(({ name }) => name),
      ["w_q", "w_s"],
    );
    assert.equal(
      tensors.some(({ status }) => status === "added"),
      false,
    );
  });
  it("a Gemm's factor goes with its weight", () => {
    const gemm = `input x float32 [2, 32]
      w = float32 [8, 32] normal
      y = Gemm(x, w) { transB: 1, alpha: 0.5 }
      output y float32 [2, 8]`;
    const packed = `opset com.microsoft 1
      input x float32 [2, 32]
      w_q = uint8 [8, 1, 16] range
      w_s = float32 [8, 1] ones
      y = com.microsoft.MatMulNBits(x, w_q, w_s) { K: 32, N: 8 }
      output y float32 [2, 8]`;
    const [change] = diff(gemm, packed).tensors;
    assert.equal(change?.factor, 0.5);
    assert.equal(change.form?.transposed, false);
  });
  it("tensors are added, removed, retyped", () => {
    const { tensors } = diff(
      "input x float32 [2]\na = float32 [2] ones\nb = float32 [2] ones\ny = Add(x, a)\noutput y float32 [2]",
      "input x float32 [2]\na = float16 [2] ones\nc = float32 [3] ones\ny = Add(x, a)\noutput y float32 [2]",
    );
    assert.deepEqual(
      tensors.map(({ name, status, detail }) => [name, status, detail]),
      [
        ["a", "changed", "float32 [2] → float16 [2]"],
        ["b", "removed", "float32 [2]"],
        ["c", "added", "float32 [3]"],
      ],
    );
  });
});

describe("groups", () => {
  const groups = (before: string, after: string) => {
    const { graph } = diff(before, after);
    assert.deepEqual([graph.added, graph.removed], [[], []]);
    return graph.groups.map(({ kind, before: was, after: is, count }) =>
      [count, kind, `${was} → ${is}`].join(" "),
    );
  };
  const CONV = `
    input x float32 [1, 3, 8, 8]
    w = float32 [4, 3, 3, 3] normal
    s = float32 [4] ones
    b = float32 [4] ones
    c = Conv(x, w)
    n = BatchNormalization(c, s, b, b, s)
    y = Relu(n)
    output y float32`;

  it("a BatchNormalization folded into its Conv, whatever the names, and the other way round", () => {
    const folded = (name: string): string => `
      input x float32 [1, 3, 8, 8]
      w = float32 [4, 3, 3, 3] normal
      b2 = float32 [4] ones
      ${name} = Conv(x, w, b2)
      y = Relu(${name})
      output y float32`;
    for (const name of ["c", "n", "other"]) {
      assert.deepEqual(groups(CONV, folded(name)), ["1 absorbed Conv + BatchNormalization → Conv"]);
      assert.deepEqual(groups(folded(name), CONV), ["1 absorbed Conv → Conv + BatchNormalization"]);
    }
  });
  it("quantized inputs and weights belong to the operator that takes them", () => {
    const quantized = `
      input x float32 [1, 3, 8, 8]
      q = int8 [4, 3, 3, 3] range
      k = float32 [] ones
      z = uint8 [] [0]
      s = float32 [4] ones
      b = float32 [4] ones
      xq = QuantizeLinear(x, k, z)
      xd = DequantizeLinear(xq, k, z)
      w = DequantizeLinear(q, k)
      c = Conv(xd, w)
      n = BatchNormalization(c, s, b, b, s)
      y = Relu(n)
      output y float32`;
    assert.deepEqual(groups(CONV, quantized), [
      "1 absorbed Conv → QuantizeLinear + 2 DequantizeLinear + Conv",
    ]);
  });
  it("one MatMul becomes two factors", () => {
    const factors = (first: string, second: string): string => `
      input x float32 [2, 32]
      u = float32 [32, 4] normal
      v = float32 [4, 8] normal
      b = float32 [8] normal
      ${first} = MatMul(x, u)
      ${second} = MatMul(${first}, v)
      s = Add(${second}, b)
      y = Relu(s)
      output y float32 [2, 8]`;
    for (const [first, second] of [
      ["t", "h"],
      ["h", "t"],
      ["p", "q"],
    ] as const)
      assert.deepEqual(groups(BASE, factors(first, second)), ["1 absorbed MatMul → 2 MatMul"]);
  });
  it("a Gemm for MatMul and Add, and back", () => {
    const gemm = BASE.replace(/h = MatMul.*\n.*$/m, "s = Gemm(x, w, b)");
    assert.deepEqual(groups(BASE, gemm), ["1 replaced MatMul + Add → Gemm"]);
    assert.deepEqual(groups(gemm, BASE), ["1 replaced Gemm → MatMul + Add"]);
  });
  it("what was computed twice is computed once, and what was computed is a constant", () => {
    const twice = `
      input x float32 [4, 4]
      k = float32 [4] ones
      a1 = Softmax(x)
      a2 = Softmax(x)
      p = Add(a1, x)
      q = Sub(a2, p)
      e = Exp(k)
      y = Div(q, e)
      output y float32 [4, 4]`;
    const once = `
      input x float32 [4, 4]
      e = float32 [4] ones
      a1 = Softmax(x)
      p = Add(a1, x)
      q = Sub(a1, p)
      y = Div(q, e)
      output y float32 [4, 4]`;
    assert.deepEqual(groups(twice, once), [
      "1 shared Softmax → Softmax",
      "1 folded Exp → constant",
    ]);
    assert.deepEqual(groups(once, twice), [
      "1 shared Softmax → Softmax",
      "1 folded constant → Exp",
    ]);
  });
});

it("20,000 nodes take less than a second, names or not", () => {
  const chain = (prefix: string, count: number): Model => {
    const nodes = Array.from({ length: count }, (_, i): GraphNode => ({
      name: "",
      op: ["Relu", "Neg", "Exp", "Add"][i % 4] ?? "",
      domain: "",
      inputs: i % 4 === 3 ? [`${prefix}${i - 1}`, `${prefix}${i - 3}`] : [`${prefix}${i - 1}`],
      outputs: [`${prefix}${i}`],
      attrs: {},
    }));
    const graph = {
      path: [],
      name: "g",
      nodes,
      inputs: [`${prefix}-1`],
      outputs: [`${prefix}${count - 1}`],
      values: new Map(),
      tensors: new Map(),
    };
    const model = modelFromText("input x float32 [1]\ny = Relu(x)\noutput y float32 [1]");
    return { ...model, graphs: new Map([[graphKey([]), graph]]) };
  };
  for (const other of ["v", "w"]) {
    const [a, b] = [chain("v", 20_000), chain(other, 20_001)];
    const started = process.cpuUsage();
    const { matched } = diffModels(a, b).graph;
    const { user, system } = process.cpuUsage(started);
    assert.ok(matched > 19_990, `${matched} matched`);
    assert.ok(user + system < 1e6, `${(user + system) / 1e3} ms`);
  }
});
