import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applySteps, StepError } from "../../src/core/draft.ts";
import {
  graphAt,
  graphKey,
  mainGraph,
  nodeKey,
  type Attribute,
  type Graph,
  type GraphNode,
  type GraphPath,
  type Model,
} from "../../src/core/model.ts";
import { scopeOf } from "../../src/core/scope.ts";
import type { NewNode, Step } from "../../src/core/step.ts";
import { topologicalOrder } from "../../src/core/topology.ts";
import { beginTransaction } from "../../src/core/transaction.ts";
import { dtype } from "../../src/shared/dtype.ts";

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attrs: Record<string, Attribute> = {},
): GraphNode => ({ name: "", op, domain: "", inputs, outputs, attrs });
const graph = (path: GraphPath, parts: Partial<Graph>): Graph => ({
  path,
  name: "g",
  nodes: [],
  inputs: [],
  outputs: [],
  values: new Map(),
  tensors: new Map(),
  ...parts,
});
const weight = (name: string) => ({
  name,
  dtype: dtype("float32"),
  shape: [2],
  at: new Uint8Array(8),
  sizeBytes: 8,
});
const model = (...graphs: Graph[]): Model => ({
  format: "onnx",
  graphs: new Map(graphs.map((g) => [graphKey(g.path), g])),
  irVersion: 8,
  producer: "",
  opsets: new Map([["", 17]]),
  meta: new Map(),
  functions: [],
  files: [],
  warnings: [],
});
const ops = (m: Model, path: GraphPath = []): string[] =>
  graphAt(m, path).nodes.map((n) => `${n.op}(${n.inputs.join(",")})->${n.outputs.join(",")}`);
const created = (op: string, inputs: string[], outputs: string[]): NewNode => ({
  name: "",
  op,
  domain: "",
  inputs,
  outputs,
  attrs: {},
});
const replace = (remove: string[], insert: NewNode[], rewire: [string, string][] = []): Step => ({
  kind: "replaceNodes",
  graph: [],
  remove,
  insert,
  rewire,
});

const chain = () =>
  model(
    graph([], {
      inputs: ["x"],
      outputs: ["y"],
      tensors: new Map([["w", weight("w")]]),
      nodes: [
        node("Identity", ["x"], ["a"]),
        node("Mul", ["a", "w"], ["b"]),
        node("Relu", ["b"], ["y"]),
      ],
    }),
  );
/** x -> If(c) whose bodies take `w` and `a` from outside. */
const branching = () =>
  model(
    graph([], {
      inputs: ["x", "c"],
      outputs: ["y"],
      tensors: new Map([["w", weight("w")]]),
      nodes: [
        node("Identity", ["x"], ["a"]),
        node("If", ["c"], ["y"], { then_branch: { kind: "graph", path: ["y", "then_branch"] } }),
      ],
    }),
    graph(["y", "then_branch"], { outputs: ["t"], nodes: [node("Mul", ["a", "w"], ["t"])] }),
  );

describe("steps", () => {
  it("puts a body in its node's place, with the graphs inside it", () => {
    const held = (path: GraphPath): Attribute => ({ kind: "graph", path });
    const inner = ["y", "then_branch", "b", "body"];
    const before = model(
      graph([], {
        nodes: [
          node("If", ["c"], ["y", "z"], { then_branch: held(["y", "then_branch"]) }),
          node("Add", ["y", "z"], ["s"]),
        ],
        outputs: ["s"],
      }),
      graph(["y", "then_branch"], {
        nodes: [node("Loop", ["w"], ["b"], { body: held(inner) }), node("Neg", ["b"], ["a"])],
        tensors: new Map([["w", weight("w")]]),
        outputs: ["a", "w"],
      }),
      graph(inner, { nodes: [node("Mul", ["w", "x"], ["m"])], outputs: ["m"] }),
    );
    const step: Step = {
      kind: "inlineBody",
      graph: [],
      node: "y",
      attr: "then_branch",
      rename: [
        ["a", "y"],
        ["b", "b_1"],
      ],
      give: [["w", "z"]],
    };
    const after = applySteps(before, [step]);
    assert.deepEqual(ops(after), ["Loop(w)->b_1", "Neg(b_1)->y", "Identity(w)->z", "Add(y,z)->s"]);
    assert.deepEqual([...mainGraph(after).tensors.keys()], ["w"]);
    assert.deepEqual(ops(after, ["b_1", "body"]), ["Mul(w,x)->m"]);
    assert.equal(after.graphs.size, 2);
    assert.throws(() => applySteps(before, [{ ...step, attr: "else_branch" }]), StepError);
    assert.throws(() => applySteps(before, [{ ...step, node: "s" }]), StepError);
  });

  it("replace nodes in place, rewire uses, and leave the input model alone", () => {
    const before = chain();
    const after = applySteps(before, [replace(["a"], [], [["a", "x"]])]);
    assert.deepEqual(ops(after), ["Mul(x,w)->b", "Relu(b)->y"]);
    assert.equal(ops(before).length, 3);
  });
  it("keep untouched nodes and tensors as the same objects", () => {
    const before = chain();
    const after = applySteps(before, [replace(["a"], [], [["a", "x"]])]);
    assert.equal(mainGraph(after).nodes[1], mainGraph(before).nodes[2]);
    assert.equal(mainGraph(after).tensors.get("w"), mainGraph(before).tensors.get("w"));
  });
  it("rewire uses inside subgraphs", () => {
    const after = applySteps(branching(), [replace(["a"], [], [["a", "x"]])]);
    assert.deepEqual(ops(after, ["y", "then_branch"]), ["Mul(x,w)->t"]);
  });
  it("remove the subgraphs of a removed node", () => {
    const after = applySteps(branching(), [replace(["y"], [created("Relu", ["a"], ["y"])])]);
    assert.deepEqual([...after.graphs.keys()], ["[]"]);
  });
  it("put nodes in a valid order, subgraph captures included", () => {
    const before = branching();
    const swapped = { ...mainGraph(before), nodes: [...mainGraph(before).nodes].reverse() };
    const after = applySteps(model(swapped, graphAt(before, ["y", "then_branch"])), []);
    assert.deepEqual(
      mainGraph(after).nodes.map((n) => n.op),
      ["Identity", "If"],
    );
  });
  it("drop an initializer together with its input of the same name (IR 3)", () => {
    const m = model(
      graph([], { inputs: ["x", "w"], tensors: new Map([["w", weight("w")]]), outputs: [] }),
    );
    const after = applySteps(m, [{ kind: "dropTensor", graph: [], name: "w" }]);
    assert.deepEqual(mainGraph(after).inputs, ["x"]);
  });
  it("rename a value everywhere", () => {
    const after = applySteps(branching(), [{ kind: "rename", graph: [], from: "a", to: "z" }]);
    assert.deepEqual(ops(after, ["y", "then_branch"]), ["Mul(z,w)->t"]);
    assert.deepEqual(ops(after)[0], "Identity(x)->z");
  });
  it("set and remove attributes, opsets and metadata", () => {
    const after = applySteps(chain(), [
      { kind: "setAttr", graph: [], node: "y", attr: "alpha", value: { kind: "float", value: 2 } },
      { kind: "setOpset", graph: [], domain: "com.microsoft", version: 1 },
      { kind: "setMeta", graph: [], key: "k", value: "v" },
    ]);
    assert.deepEqual(mainGraph(after).nodes[2]?.attrs, { alpha: { kind: "float", value: 2 } });
    assert.equal(after.opsets.get("com.microsoft"), 1);
    assert.equal(after.meta.get("k"), "v");
    const back = applySteps(after, [
      { kind: "setAttr", graph: [], node: "y", attr: "alpha", value: null },
      { kind: "setMeta", graph: [], key: "k", value: null },
    ]);
    assert.deepEqual(mainGraph(back).nodes[2]?.attrs, {});
    assert.equal(back.meta.size, 0);
  });
  it("refuse a step that does not fit", () => {
    assert.throws(() => applySteps(chain(), [replace(["nope"], [])]), StepError);
    assert.throws(
      () => applySteps(chain(), [{ kind: "dropTensor", graph: [], name: "v" }]),
      StepError,
    );
  });
});

describe("topological order", () => {
  it("names a value on a cycle", () => {
    const m = model(graph([], { nodes: [node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"])] }));
    assert.throws(() => topologicalOrder(m, mainGraph(m)), /cycle through "a"/);
  });
  it("is null, not a copy, when the order is valid", () => {
    assert.equal(topologicalOrder(chain(), mainGraph(chain())), null);
  });
  it("keeps the given order where it can", () => {
    const nodes = [
      node("D", ["c"], ["d"]),
      node("A", ["x"], ["a"]),
      node("B", ["x"], ["b"]),
      node("C", ["a"], ["c"]),
    ];
    const m = model(graph([], { nodes }));
    assert.deepEqual(
      topologicalOrder(m, mainGraph(m))?.map((n) => n.op),
      ["A", "B", "C", "D"],
    );
  });
});

describe("scope", () => {
  it("finds definitions from inside a subgraph and counts uses there", () => {
    const scope = scopeOf(branching());
    assert.equal(scope.define(["y", "then_branch"], "w")?.kind, "tensor");
    assert.equal(scope.define(["y", "then_branch"], "nope"), null);
    assert.equal(scope.uses([], "w").length, 1);
    assert.equal(scope.uses([], "a").length, 1);
  });
  it("sees a constant through Identity and Constant nodes", () => {
    const value: Attribute = { kind: "tensor", value: weight("c") };
    const m = model(
      graph([], {
        nodes: [node("Constant", [], ["k"], { value }), node("Identity", ["k"], ["i"])],
      }),
    );
    assert.equal(scopeOf(m).constant([], "i")?.tensor.name, "c");
    assert.equal(scopeOf(m).constant([], "i")?.node?.op, "Constant");
  });
});

describe("transaction", () => {
  const sink = {
    write: async (data: unknown) => ({ file: "s", offset: 0, length: (data as Uint8Array).length }),
  };
  it("records steps that replay to the same model", async () => {
    const before = chain();
    const tx = beginTransaction(before, sink);
    await tx.putTensor([], { name: "w2", dtype: dtype("uint8"), shape: [4] }, new Uint8Array(4));
    tx.replaceNodes([], {
      remove: mainGraph(before).nodes.slice(1, 2),
      insert: [created("Add", ["a", "w2"], ["b"])],
    });
    tx.dropIfUnused([], "w");
    const after = tx.finish();
    const steps = JSON.parse(JSON.stringify(tx.takeSteps())) as Step[];
    assert.deepEqual(ops(applySteps(before, steps)), ops(after));
    assert.deepEqual([...mainGraph(after).tensors.keys()], ["w2"]);
  });
  it("rolls a unit back to the last one taken", () => {
    const tx = beginTransaction(chain(), sink);
    tx.setMeta("a", "1");
    tx.takeSteps();
    tx.setMeta("b", "2");
    tx.rollback();
    assert.deepEqual([...tx.model.meta.keys()], ["a"]);
    assert.deepEqual(tx.takeSteps(), []);
  });
  it("refuses tensor data whose size is not the shape's", async () => {
    const tx = beginTransaction(chain(), sink);
    await assert.rejects(
      tx.putTensor([], { name: "q", dtype: dtype("float32"), shape: [3] }, new Uint8Array(4)),
      /4 bytes written, float32 \[3\] has 12/,
    );
  });
  it("finds names that are free in the graph, around it and inside it", () => {
    const tx = beginTransaction(branching(), sink);
    assert.equal(tx.uniqueName([], "w"), "w_1");
    assert.equal(tx.uniqueName(["y", "then_branch"], "w"), "w_1");
    assert.equal(tx.uniqueName([], "t"), "t_1");
    assert.equal(tx.uniqueName([], "fresh"), "fresh");
  });
  it("drops a constant only when its last use is gone", () => {
    const before = chain();
    const tx = beginTransaction(before, sink);
    tx.dropIfUnused([], "w");
    assert.equal(mainGraph(tx.model).tensors.size, 1);
    assert.equal(nodeKey(mainGraph(before).nodes[1]!), "b");
  });
});

describe("a model of thousands of layers", () => {
  const LAYERS = 3000;
  const wide = () =>
    model(
      graph([], {
        inputs: ["v0"],
        outputs: [`v${LAYERS}`],
        tensors: new Map(Array.from({ length: LAYERS }, (_, i) => [`w${i}`, weight(`w${i}`)])),
        nodes: Array.from({ length: LAYERS }, (_, i) =>
          node("Mul", [`v${i}`, `w${i}`], [`v${i + 1}`]),
        ),
      }),
    );
  it("is changed in linear work: node positions, names and uses are not gathered again per layer", async () => {
    const before = wide();
    const tx = beginTransaction(before, {
      write: async () => ({ file: "s", offset: 0, length: 4096 }),
    });
    for (const layer of mainGraph(before).nodes) {
      const name = tx.uniqueName([], `${layer.inputs[1] ?? ""}_q`);
      await tx.putTensor(
        [],
        { name, dtype: dtype("uint8"), shape: [4096] },
        (async function* () {})(),
      );
      tx.replaceNodes([], {
        remove: [layer],
        insert: [created("Add", [layer.inputs[0] ?? "", name], [...layer.outputs])],
      });
      tx.dropIfUnused([], layer.inputs[1] ?? "");
      tx.takeSteps();
    }
    const after = mainGraph(tx.finish());
    assert.equal(after.tensors.size, LAYERS);
    assert.ok([...after.tensors.keys()].every((name) => name.endsWith("_q")));
    assert.equal(after.nodes.filter((n) => n.op === "Add").length, LAYERS);
  });
  it("rolls back to the units before", () => {
    const tx = beginTransaction(wide(), {
      write: async () => ({ file: "s", offset: 0, length: 0 }),
    });
    tx.setMeta("kept", "1");
    tx.takeSteps();
    tx.dropTensor([], "w0");
    tx.rollback();
    assert.equal(tx.model.meta.get("kept"), "1");
    assert.equal(mainGraph(tx.model).tensors.size, LAYERS);
  });
});
