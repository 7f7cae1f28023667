import assert from "node:assert/strict";
import clean from "../../../src/transforms/graph/clean.ts";
import { nodesAsText } from "../../helpers/graphText.ts";
import { testTechnique } from "../../helpers/harness.ts";

const OVERRIDABLE = `input x float32 [3]  a = float32 [3] normal  b = float32 [3] uniform
  initializer-input a  initializer-input b  c = Add(a, b)  y = Mul(x, c)  output y float32 [3]`;

testTechnique(clean, [
  {
    name: "a clean graph stays",
    model: `input x float32 [2, 3]  w = float32 [3, 4] normal  y = MatMul(x, w)  output y float32 [2, 4]`,
    units: [],
    skips: { "the model": "holds nothing" },
  },
  {
    name: "no-ops go, and the last maker takes the name of the output",
    model: `input x float32 [2, 3]
      a = Identity(x)  b = Cast(a) { to: 1 }  c = Dropout(b)  d = Transpose(c) { perm: [0, 1] }
      s = int64 [2] [2, 3]  e = Reshape(d, s)  f = Concat(e) { axis: 0 }  g = Relu(f)
      y = Identity(g)  output y float32 [2, 3]`,
    units: ["no-op nodes", "unused"],
    nodes: ["y = Relu(x)"],
    tensors: [],
  },
  {
    name: "what is no no-op",
    model: `input x float32 [2, 3]
      a = Cast(x) { to: 6 }  b = Transpose(x) { perm: [1, 0] }  s = int64 [2] [3, 2]
      c = Reshape(x, s)  output a int32 [2, 3]  output b float32 [3, 2]  output c float32 [3, 2]`,
    units: [],
  },
  {
    name: "constants held in nodes become initializers",
    model: `input x float32 [2, 3]  a = Constant() { value: float32 [3] normal }
      b = Constant() { value_float: 2.5 }  c = Constant() { value_ints: [3, 2] }
      d = Add(x, a)  e = Mul(d, b)  y = Reshape(e, c)  output y float32 [3, 2]`,
    units: ["constant nodes"],
    tensors: ["a float32 [3]", "b float32 []", "c int64 [2]"],
    nodes: ["d = Add(x, a)", "e = Mul(d, b)", "y = Reshape(e, c)"],
  },
  {
    name: "before IR 4 constants stay in their nodes",
    model: `ir 3 input x float32 [3]  a = Constant() { value: float32 [3] normal }  y = Add(x, a)
      output y float32 [3]`,
    units: [],
  },
  {
    name: "shapes of values of fixed size are known",
    model: `input x float32 [2, 3, 4]  input z float32 [6, 4]
      s = Shape(x)  i = int64 [] [2]  d = Gather(s, i)  o = int64 [1] [0]  u = Unsqueeze(d, o)
      m = int64 [1] [-1]  t = Concat(m, u) { axis: 0 }  r = Reshape(x, t)  y = Add(r, z)
      output y float32 [6, 4]`,
    units: ["static shapes", "unused"],
    nodes: ["r = Reshape(x, t)", "y = Add(r, z)"],
    tensors: ["t int64 [2]"],
  },
  {
    name: "shapes of dynamic values are computed once",
    model: `input x float32 [batch, 4]  i = int64 [] [0]  o = int64 [1] [0]  m = int64 [1] [-1]
      s = Shape(x)  d = Gather(s, i)  u = Unsqueeze(d, o)  t = Concat(u, m) { axis: 0 }
      a = Reshape(x, t)  r = Relu(a)
      s2 = Shape(r)  d2 = Gather(s2, i)  u2 = Unsqueeze(d2, o)  t2 = Concat(u2, m) { axis: 0 }
      y = Reshape(r, t2)  output y float32 [batch, 4]`,
    units: ["repeated nodes"],
    check: (model) =>
      assert.equal(
        nodesAsText(model.graphs.get("[]")!).filter((n) => n.includes("Shape(")).length,
        1,
      ),
  },
  {
    name: "constant subexpressions are computed",
    model: `input x float32 [4]  a = float32 [4] normal  b = float32 [4] uniform
      c = Add(a, b)  d = Sqrt(b)  e = Mul(c, d)  y = Add(x, e)  output y float32 [4]`,
    units: ["constant e", "unused"],
    nodes: ["y = Add(x, e)"],
    tensors: ["e float32 [4]"],
  },
  {
    name: "folding that would grow the file is refused",
    model: `input x float32 [64, 64]  s = int64 [2] [64, 64]
      w = ConstantOfShape(s) { value: float32 [1] [0.5] }  y = MatMul(x, w)
      table = float32 [64, 64] normal  t = Transpose(table) { perm: [1, 0] }  z = MatMul(x, t)
      v = MatMul(x, table)
      output y float32 [64, 64]  output z float32 [64, 64]  output v float32 [64, 64]`,
    units: [],
    skips: { w: "would add 16368 bytes", t: "would add 16384 bytes" },
  },
  {
    name: "stored codes and random values are not folded",
    model: `opset 21 ir 10 input x float32 [2, 64]  q = int8 [64, 64] range  s = float32 [] [0.01]
      w = DequantizeLinear(q, s)  h = MatMul(x, w)
      f = float16 [64, 64] normal  g = Cast(f) { to: 1 }  y = MatMul(h, g)
      n = RandomNormal() { shape: [2, 2], seed: 1.0 }  r = Mul(n, n)
      output y float32 [2, 64]  output r float32 [2, 2]`,
    units: [],
    skips: { "the model": "holds nothing" },
  },
  {
    name: "equal constants are kept once, large ones too",
    model: `input x float32 [2, 200]
      a = float32 [200, 200] ones  b = float32 [200, 200] ones  c = float32 [200, 200] normal
      one = float32 [1] [1]  uno = float32 [1] [1]
      d = MatMul(x, a)  e = MatMul(d, b)  f = MatMul(e, c)  g = Add(f, one)  y = Mul(g, uno)
      output y float32 [2, 200]`,
    sizes: "atMost",
    units: ["equal constants"],
    skips: { "repeated nodes": "nothing of the kind" },
    tensors: ["a float32 [200, 200]", "c float32 [200, 200]", "one float32 [1]"],
  },
  {
    name: "repeated nodes are computed once; outputs keep their names",
    model: `input x float32 [3]  a = Relu(x)  b = Relu(x)  c = Add(a, b)  d = Add(b, a)
      e = Add(b, a)  f = Mul(d, e)  g = Relu(x)  y = Sub(c, f)
      output y float32 [3]  output g float32 [3]`,
    units: ["repeated nodes"],
    nodes: ["a = Relu(x)", "c = Add(a, a)", "f = Mul(c, c)", "g = Relu(x)", "y = Sub(c, f)"],
  },
  {
    name: "what reaches no output goes, with its declarations",
    model: `opset 17 opset com.example 1 input x float32 [3]  a = Relu(x)  b = Exp(a)
      w = float32 [3] normal  c = Add(b, w)  unused = float32 [9] normal  y = Sqrt(a)
      value b float32 [3]  value nothing float32 [3]  output y float32 [3]`,
    units: ["unused", "declarations"],
    nodes: ["a = Relu(x)", "y = Sqrt(a)"],
    tensors: [],
    check: (model) => {
      assert.ok(!model.opsets.has("com.example"));
      assert.deepEqual([...model.graphs.get("[]")!.values.keys()].sort(), ["x", "y"]);
    },
  },
  {
    name: "nodes that are listed before what they use are put in order",
    model: `input x float32 [3]  y = Add(b, d)  b = Relu(a)  a = Abs(x)  d = Exp(x)  output y float32 [3]`,
    units: ["node order"],
    nodes: ["a = Abs(x)", "b = Relu(a)", "d = Exp(x)", "y = Add(b, d)"],
  },
  {
    name: "a shape that a caller may replace is not known",
    model: `input x float32 [6]  input z float32 [6]  s = int64 [2] [3, 2]  initializer-input s
      r = Reshape(x, s)  t = Shape(r)  y = Reshape(z, t)  output r float32 [a, b]  output y float32 [a, b]`,
    units: [],
  },
  {
    name: "initializers that callers may replace are left alone",
    model: OVERRIDABLE,
    units: [],
  },
  {
    name: "initializers are fixed when asked for",
    model: OVERRIDABLE,
    params: { fixInitializers: true },
    inputsMayGo: true,
    units: ["inputs", "constant c", "unused"],
    tensors: ["c float32 [3]"],
    check: (model) => assert.deepEqual(model.graphs.get("[]")!.inputs, ["x"]),
  },
  {
    name: "branches: what they take from outside is kept, what they repeat is shared",
    model: `input x float32 [3]  input c bool []  w = float32 [3] normal  dead = Exp(x)
      p = Relu(x)  k = float32 [1] [2]
      y = If(c) {
        then_branch: graph { i = Identity(p)  a = Add(i, w)  output a float32 [3] },
        else_branch: graph {
          l = float32 [1] [2]  u = Exp(x)  v = Exp(x)  q = Mul(u, v)  b = Mul(q, l)
          n = Neg(q)  output b float32 [3]
        }
      }
      z = Mul(y, k)  output z float32 [3]`,
    units: ["no-op nodes", "equal constants", "repeated nodes", "unused"],
    check: (model) => {
      const branch = model.graphs.get(JSON.stringify(["y", "else_branch"]))!;
      assert.deepEqual(nodesAsText(branch), ["u = Exp(x)", "q = Mul(u, u)", "b = Mul(q, k)"]);
      assert.deepEqual(nodesAsText(model.graphs.get(JSON.stringify(["y", "then_branch"]))!), [
        "a = Add(p, w)",
      ]);
    },
  },
  {
    name: "the branch of a condition that follows from shapes stands in the If's place",
    model: `input x float32 [2, 3]  input c bool []  t = float32 [3] ones  k = int64 [] [0]  two = int64 [] [2]
      s = Shape(x)  d = Gather(s, k)  q = Equal(d, two)  r = Relu(x)
      y, z, u = If(q) {
        then_branch: graph {
          w = float32 [3] normal  h = Mul(r, w)
          t1 = If(c) {
            then_branch: graph { e = Exp(h)  output e float32 [2, 3] },
            else_branch: graph { f = Add(h, w)  output f float32 [2, 3] }
          }
          a = Neg(t1)  a2 = Identity(a)  output a float32 [2, 3]  output a2 float32 [2, 3]  output w float32 [3]
        },
        else_branch: graph {
          g = float32 [3] uniform  b = Mul(r, g)  b2 = Neg(b)  output b float32 [2, 3]  output b2 float32 [2, 3]  output g float32 [3]
        }
      }
      o = If(c) {
        then_branch: graph { w = Exp(y)  output w float32 [2, 3] },
        else_branch: graph { h = Mul(z, t)  output h float32 [2, 3] }
      }
      v = Add(o, u)  output v float32 [2, 3]  output z float32 [2, 3]`,
    units: ["constant branches", "no-op nodes", "static shapes", "equal constants", "unused"],
    check: (model) => {
      assert.deepEqual(nodesAsText(model.graphs.get("[]")!), [
        "r = Relu(x)",
        "h_1 = Mul(r, w_1)",
        "t1 = If(c)",
        "z = Neg(t1)",
        "o = If(c)",
        "v = Add(o, w_1)",
      ]);
      const inner = model.graphs.get(JSON.stringify(["t1", "else_branch"]))!;
      assert.deepEqual(nodesAsText(inner), ["f = Add(h_1, w_1)"]);
      assert.equal(model.graphs.size, 5);
    },
  },
  {
    name: "conditions inside the branch follow in turn; others stay",
    model: `opset 17 input x float32 [4]  input c bool []  yes = bool [] [1]  no = Not(yes)
      y = If(no) {
        then_branch: graph { a = Exp(x)  output a float32 [4] },
        else_branch: graph {
          one = int64 [] [1]  s = Shape(x)  n = Size(s)  q = Equal(n, one)
          b = If(q) {
            then_branch: graph { e = Neg(x)  output e float32 [4] },
            else_branch: graph { f = Exp(x)  output f float32 [4] }
          }
          output b float32 [4]
        }
      }
      z = If(c) {
        then_branch: graph { g = Abs(y)  output g float32 [4] },
        else_branch: graph { h = Neg(y)  output h float32 [4] }
      }
      output z float32 [4]`,
    units: ["constant branches", "static shapes", "equal constants", "unused"],
    nodes: ["y = Neg(x)", "z = If(c)"],
    tensors: [],
  },
  {
    name: "a condition that a caller may replace, or that floats decide, stays",
    model: `input x float32 [4]  yes = bool [] [1]  initializer-input yes
      a = float32 [] [0.1]  b = float32 [] [0.3]  three = float32 [] [3.0]  m = Mul(a, three)  q = Less(b, m)
      y = If(yes) {
        then_branch: graph { e = Neg(x)  output e float32 [4] },
        else_branch: graph { f = Exp(x)  output f float32 [4] }
      }
      z = If(q) {
        then_branch: graph { g = Abs(y)  output g float32 [4] },
        else_branch: graph { h = Neg(y)  output h float32 [4] }
      }
      output z float32 [4]`,
    sizes: "atMost",
    units: ["constant m", "equal constants", "unused"],
    nodes: ["q = Less(b, b)", "y = If(yes)", "z = If(q)"],
  },
  {
    name: "slices that take everything go",
    model: `input x float32 [n, 6]  o = int64 [1] [0]  one = int64 [1] [1]  six = int64 [1] [6]
      far = int64 [1] [9223372036854775807]  five = int64 [1] [5]  back = int64 [1] [-1]
      a = Slice(x, o, far, o, one)  b = Slice(a, o, six, one)  c = Slice(b, o, five, one)
      least = int64 [1] [-9223372036854775807]  d = Slice(c, back, least, one, back)
      e = Slice(d, one, far, o)  y = Relu(e)  output y float32 [m, 5]`,
    units: ["no-op nodes", "unused"],
    nodes: [
      "c = Slice(x, o, five, one)",
      "d = Slice(c, back, least, one, back)",
      "e = Slice(d, one, far, o)",
      "y = Relu(e)",
    ],
  },
]);
