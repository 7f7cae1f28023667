/** Graphs with every kind of coupled channels, as text (see helpers/graphText.ts). */

const bn = (name: string, x: string, y: string, c: number): string =>
  `${name}g = float32 [${c}] uniform  ${name}b = float32 [${c}] normal  ${name}m = float32 [${c}] normal  ${name}v = float32 [${c}] uniform
   ${y} = BatchNormalization(${x}, ${name}g, ${name}b, ${name}m, ${name}v)\n`;
const conv = (
  name: string,
  x: string,
  y: string,
  [o, i, k]: readonly [number, number, number],
  group = 1,
): string =>
  `${name}w = float32 [${o}, ${i}, ${k}, ${k}] normal * 0.3
   ${y} = Conv(${x}, ${name}w) { pads: [${Array(4)
     .fill((k - 1) / 2)
     .join(", ")}], group: ${group}, name: "${name}" }\n`;
const head = (x: string, c: number): string =>
  `hp = GlobalAveragePool(${x})  hf = Flatten(hp)  hw = float32 [${c}, 5] normal
   y = MatMul(hf, hw) { name: "head" }  output y float32 [N, 5]\n`;
const image = "input x float32 [N, 3, 6, 6]\n";

export const groupModels: Readonly<Record<string, string>> = {
  residual: `${image}${conv("a", "x", "a1", [8, 3, 3])}${bn("an", "a1", "a2", 8)} a3 = Relu(a2)
    ${conv("b", "a3", "b1", [6, 8, 3])}${bn("bn", "b1", "b2", 6)} b3 = Relu(b2)
    ${conv("c", "b3", "c1", [8, 6, 3])}${bn("cn", "c1", "c2", 8)} s = Add(c2, a3) s2 = Relu(s) ${head("s2", 8)}`,
  dense: `${image}${conv("a", "x", "a1", [4, 3, 3])}${conv("b", "a1", "b1", [4, 4, 3])}
    j1 = Concat(a1, b1) { axis: 1 } ${bn("n", "j1", "j2", 8)} j3 = Relu(j2) ${conv("c", "j3", "c1", [4, 8, 1])}
    j4 = Concat(j1, c1) { axis: 1 } ${head("j4", 12)}`,
  inception: `${image}${conv("a", "x", "a1", [6, 3, 1])}${conv("b", "x", "b1", [4, 3, 3])} m = MaxPool(x) { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
    ${conv("c", "m", "c1", [5, 3, 1])} j = Concat(a1, b1, c1) { axis: 1 } r = Relu(j) ${conv("d", "r", "d1", [7, 15, 3])} ${head("d1", 7)}`,
  shuffle: `${image}${conv("a", "x", "a1", [16, 3, 1])}${conv("b", "a1", "b1", [16, 8, 1], 2)}
    s1 = int64 [5] [-1, 2, 8, 6, 6]  r1 = Reshape(b1, s1)  r2 = Transpose(r1) { perm: [0, 2, 1, 3, 4] }
    s2 = int64 [4] [-1, 16, 6, 6]  r3 = Reshape(r2, s2) ${conv("d", "r3", "d1", [16, 1, 3], 16)}
    ${conv("e", "d1", "e1", [16, 8, 1], 2)} ${head("e1", 16)}`,
  "split shuffle": `${image}${conv("a", "x", "a1", [8, 3, 1])} p, q = Split(a1) { axis: 1 }
    ${conv("b", "q", "b1", [4, 4, 3])} j = Concat(p, b1) { axis: 1 } s1 = int64 [5] [0, 2, 4, 6, 6] r1 = Reshape(j, s1)
    r2 = Transpose(r1) { perm: [0, 2, 1, 3, 4] } s2 = int64 [4] [0, -1, 6, 6] r3 = Reshape(r2, s2)
    ${conv("c", "r3", "c1", [6, 8, 1])} ${head("c1", 6)}`,
  "squeeze-excite": `${image}${conv("a", "x", "a1", [8, 3, 3])} a2 = HardSwish(a1) p = GlobalAveragePool(a2)
    ${conv("b", "p", "b1", [4, 8, 1])} b2 = Relu(b1) ${conv("c", "b2", "c1", [8, 4, 1])} g = Sigmoid(c1) m = Mul(a2, g)
    ${conv("d", "m", "d1", [6, 8, 1])} ${head("d1", 6)}`,
  depthwise: `${image}${conv("a", "x", "a1", [8, 3, 1])}${bn("an", "a1", "a2", 8)} lo = float32 [] [0] hi = float32 [] [6] a3 = Clip(a2, lo, hi)
    ${conv("b", "a3", "b1", [16, 1, 3], 8)}${bn("bn", "b1", "b2", 16)} b3 = Clip(b2, lo, hi) ${conv("c", "b3", "c1", [6, 16, 1])} ${head("c1", 6)}`,
  grouped: `${image}${conv("a", "x", "a1", [12, 3, 1])} a2 = Relu(a1) ${conv("b", "a2", "b1", [9, 4, 3], 3)} b2 = Relu(b1) ${conv("c", "b2", "c1", [6, 9, 1])} ${head("c1", 6)}`,
  "multi-head": `input x float32 [N, T, 12]
    wq = float32 [12, 12] normal * 0.3  wk = float32 [12, 12] normal * 0.3  wv = float32 [12, 12] normal * 0.3  bq = float32 [12] normal
    wo = float32 [12, 12] normal  heads = int64 [4] [0, 0, 3, 4]  flat = int64 [3] [0, 0, 12]  scale = float32 [] [0.5]
    q0 = MatMul(x, wq) { name: "q" } q1 = Add(q0, bq) q2 = Reshape(q1, heads) q3 = Transpose(q2) { perm: [0, 2, 1, 3] }
    k0 = MatMul(x, wk) { name: "k" } k2 = Reshape(k0, heads) k3 = Transpose(k2) { perm: [0, 2, 3, 1] }
    v0 = MatMul(x, wv) { name: "v" } v2 = Reshape(v0, heads) v3 = Transpose(v2) { perm: [0, 2, 1, 3] }
    s0 = MatMul(q3, k3) s1 = Mul(s0, scale) s2 = Softmax(s1) { axis: -1 } o = MatMul(s2, v3)
    o2 = Transpose(o) { perm: [0, 2, 1, 3] } o3 = Reshape(o2, flat) o4 = MatMul(o3, wo) { name: "o" } r = Add(o4, x)
    w1 = float32 [12, 20] normal  w2 = float32 [20, 12] normal  g = MatMul(r, w1) { name: "up" } g2 = Gelu(g) g3 = MatMul(g2, w2) { name: "down" }
    y = Add(g3, r) output y float32 [N, T, 12]  opset 20`,
  "packed heads, computed shapes": `input x float32 [N, T, 8]
    w = float32 [8, 24] normal * 0.4  wo = float32 [8, 8] normal  p = MatMul(x, w) { name: "qkv" }
    sh = Shape(x) i0 = int64 [1] [0] i1 = int64 [1] [1] n = Gather(sh, i0) t = Gather(sh, i1) c3 = int64 [1] [3] c2 = int64 [1] [2] c4 = int64 [1] [4]
    s = Concat(n, t, c3, c2, c4) { axis: 0 } p2 = Reshape(p, s) p3 = Transpose(p2) { perm: [2, 0, 3, 1, 4] }
    z0 = int64 [] [0] z1 = int64 [] [1] z2 = int64 [] [2] q = Gather(p3, z0) k = Gather(p3, z1) v = Gather(p3, z2)
    kt = Transpose(k) { perm: [0, 1, 3, 2] } a = MatMul(q, kt) b = Softmax(a) { axis: -1 } o = MatMul(b, v)
    o2 = Transpose(o) { perm: [0, 2, 1, 3] } c8 = int64 [1] [8] s2 = Concat(n, t, c8) { axis: 0 } o3 = Reshape(o2, s2)
    y = MatMul(o3, wo) output y float32 [N, T, 8]`,
  "grouped queries": `input x float32 [N, T, 8]
    wq = float32 [8, 16] normal * 0.3  wk = float32 [8, 8] normal * 0.3  wv = float32 [8, 8] normal * 0.3  wo = float32 [16, 8] normal
    hq = int64 [4] [0, 0, 4, 4]  hk = int64 [4] [0, 0, 2, 4] flat = int64 [3] [0, 0, 16]
    q0 = MatMul(x, wq) { name: "q" } q1 = Reshape(q0, hq) q = Transpose(q1) { perm: [0, 2, 1, 3] }
    k0 = MatMul(x, wk) { name: "k" } k1 = Reshape(k0, hk) k2 = Transpose(k1) { perm: [0, 2, 1, 3] }
    v0 = MatMul(x, wv) { name: "v" } v1 = Reshape(v0, hk) v2 = Transpose(v1) { perm: [0, 2, 1, 3] }
    two = int64 [1] [2] e5 = int64 [5] [1, 2, 2, 1, 1] r4 = int64 [4] [0, 4, -1, 4]
    ku = Unsqueeze(k2, two) ke = Expand(ku, e5) k = Reshape(ke, r4) vu = Unsqueeze(v2, two) ve = Expand(vu, e5) v = Reshape(ve, r4)
    kt = Transpose(k) { perm: [0, 1, 3, 2] } a = MatMul(q, kt) b = Softmax(a) { axis: -1 } o = MatMul(b, v)
    o2 = Transpose(o) { perm: [0, 2, 1, 3] } o3 = Reshape(o2, flat) y = MatMul(o3, wo) output y float32 [N, T, 8]`,
  "flattened blocks": `${image}${conv("a", "x", "a1", [6, 3, 3])} a2 = Relu(a1) p = MaxPool(a2) { kernel_shape: [2, 2], strides: [2, 2] } f = Flatten(p)
    w1 = float32 [10, 54] normal * 0.2 b1 = float32 [10] normal g = Gemm(f, w1, b1) { transB: 1, name: "fc1" } r = Relu(g) w2 = float32 [10, 4] normal y = Gemm(r, w2) { name: "fc2" } output y float32 [N, 4]`,
  "gated units": `input x float32 [N, 6]  w = float32 [6, 16] normal  h = MatMul(x, w) { name: "in" } a, b = Split(h) { axis: -1 } s = Sigmoid(b) m = Mul(a, s)
    w2 = float32 [8, 5] normal y = MatMul(m, w2) output y float32 [N, 5]`,
  "deconvolution, slopes and norms": `${image}${conv("a", "x", "a1", [6, 3, 3])} sl = float32 [6, 1, 1] uniform a2 = PRelu(a1, sl)
    tw = float32 [6, 8, 2, 2] normal * 0.3 tb = float32 [8] normal t = ConvTranspose(a2, tw, tb) { strides: [2, 2], name: "up" }
    is = float32 [8] uniform ib = float32 [8] normal n = InstanceNormalization(t, is, ib) pads = int64 [8] [0, 0, 1, 1, 0, 0, 1, 1] pd = Pad(n, pads)
    sc = float32 [4] [1, 1, 2, 2] none = float32 [0] [] rs = Resize(pd, none, sc) dp = Dropout(rs) st = int64 [1] [2] en = int64 [1] [7] ax = int64 [1] [1] cut = Slice(dp, st, en, ax)
    axes = int64 [2] [2, 3] mean = ReduceMean(cut) { axes: [2, 3], keepdims: 0 } w2 = float32 [5, 4] normal y = MatMul(mean, w2) output y float32 [N, 4]`,
  "shared parameters": `${image}${conv("a", "x", "a1", [5, 3, 3])} g = float32 [5] uniform be = float32 [5] normal me = float32 [5] normal va = float32 [5] uniform
    g2 = Identity(g) be2 = Identity(be) a2 = BatchNormalization(a1, g, be, me, va) ${conv("b", "a2", "b1", [5, 5, 3])}
    b2 = BatchNormalization(b1, g2, be2, me, va) ${conv("c", "b2", "c1", [4, 5, 1])} ${head("c1", 4)}`,
};
