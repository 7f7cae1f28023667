/**
 * Small graphs with the shape of their output `y`. The core test checks that the rules give it, the
 * engine test that onnxruntime gives it when it runs the graph.
 */
export interface ShapeCase {
  readonly name: string;
  readonly text: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

const of = (name: string, dtype: string, shape: number[], text: string): ShapeCase => ({
  name,
  dtype,
  shape,
  text: `${text}\noutput y ${dtype}`,
});
/** A case whose graph is one operator on `x` of the given shape. */
const on = (dims: string, shape: number[], call: string, constants = "", opset = 17): ShapeCase =>
  of(
    `${call} on [${dims}]`,
    "float32",
    shape,
    `opset ${opset}\ninput x float32 [${dims}]\n${constants}\ny = ${call}`,
  );
const conv = (kernel: string) => `w = float32 [8, 3, ${kernel}] normal`;

export const SHAPE_CASES: readonly ShapeCase[] = [
  // elementwise
  on("2, 3, 4", [2, 3, 4], "Relu(x)"),
  on("2, 1, 4", [2, 3, 4], "Add(x, c)", "c = float32 [3, 1] ones"),
  on("4", [5, 4], "Mul(x, c)", "c = float32 [5, 1] ones"),
  on("2, 3", [2, 3], "Clip(x, , c)", "c = float32 [] [6]"),
  of("Equal", "bool", [2, 3], "input x float32 [2, 3]\nc = float32 [3] ones\ny = Equal(x, c)"),
  of("Cast", "int64", [2, 3], "input x float32 [2, 3]\ny = Cast(x) { to: 7 }"),
  of(
    "Where",
    "float32",
    [2, 3],
    "input x float32 [2, 3]\nc = bool [3] [1, 0, 1]\nz = float32 [] [0]\ny = Where(c, x, z)",
  ),
  // convolution
  on("2, 3, 9, 9", [2, 8, 7, 7], "Conv(x, w)", conv("3, 3")),
  on(
    "2, 3, 9, 9",
    [2, 8, 5, 4],
    "Conv(x, w) { strides: [2, 2], pads: [1, 0, 1, 0] }",
    conv("3, 3"),
  ),
  on(
    "1, 3, 9, 9",
    [1, 8, 5, 9],
    "Conv(x, w) { dilations: [2, 1], pads: [0, 1, 0, 1] }",
    conv("3, 3"),
  ),
  on(
    "1, 3, 9, 8",
    [1, 8, 5, 4],
    'Conv(x, w) { auto_pad: "SAME_UPPER", strides: [2, 2] }',
    conv("3, 3"),
  ),
  on("1, 3, 9, 8", [1, 8, 4, 3], 'Conv(x, w) { auto_pad: "VALID", strides: [2, 2] }', conv("3, 3")),
  on("1, 4, 9", [1, 6, 8], "Conv(x, w) { group: 2 }", "w = float32 [6, 2, 2] normal"),
  on(
    "1, 4, 5, 5",
    [1, 6, 11, 11],
    "ConvTranspose(x, w) { strides: [2, 2] }",
    "w = float32 [4, 6, 3, 3] normal",
  ),
  on(
    "1, 4, 5, 5",
    [1, 12, 10, 10],
    "ConvTranspose(x, w) { strides: [2, 2], group: 2, pads: [1, 1, 1, 1], output_padding: [1, 1] }",
    "w = float32 [4, 6, 3, 3] normal",
  ),
  on("1, 2, 10, 10", [1, 2, 4, 4], "MaxPool(x) { kernel_shape: [3, 3], strides: [2, 2] }"),
  on(
    "1, 2, 10, 10",
    [1, 2, 5, 5],
    "MaxPool(x) { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }",
  ),
  // The last window would start in the padding behind the input, so it is left out.
  on(
    "1, 2, 7, 7",
    [1, 2, 4, 4],
    "MaxPool(x) { kernel_shape: [1, 1], strides: [2, 2], ceil_mode: 1 }",
  ),
  on(
    "1, 2, 7, 7",
    [1, 2, 4, 4],
    "AveragePool(x) { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 }",
    "",
    19,
  ),
  on("2, 5, 4, 3", [2, 5, 1, 1], "GlobalAveragePool(x)"),
  // matrices
  on("2, 3, 4", [2, 3, 5], "MatMul(x, w)", "w = float32 [4, 5] normal"),
  on("4", [5], "MatMul(x, w)", "w = float32 [4, 5] normal"),
  on("3, 1, 2, 4", [3, 7, 2, 5], "MatMul(x, w)", "w = float32 [7, 4, 5] normal"),
  on("3, 4", [3], "MatMul(x, w)", "w = float32 [4] normal"),
  on("4, 3", [3, 5], "Gemm(x, w) { transA: 1, transB: 1 }", "w = float32 [5, 4] normal"),
  on("2, 3, 4", [2, 4, 5], 'Einsum(x, w) { equation: "bij,ik->bjk" }', "w = float32 [3, 5] normal"),
  on("2, 3, 4", [2, 3, 3], 'Einsum(x, x) { equation: "...ij,...kj->...ik" }'),
  // reshaping
  on("2, 3, 4", [6, 4], "Reshape(x, s)", "s = int64 [2] [-1, 4]"),
  on("2, 3, 4", [2, 12], "Reshape(x, s)", "s = int64 [2] [0, -1]"),
  on("2, 3, 4", [2, 12], "Flatten(x)"),
  on("2, 3, 4", [6, 4], "Flatten(x) { axis: -1 }"),
  on("2, 3, 4", [4, 3, 2], "Transpose(x)"),
  on("2, 3, 4", [3, 2, 4], "Transpose(x) { perm: [1, 0, 2] }"),
  on("2, 1, 4, 1", [2, 4], "Squeeze(x)"),
  on("2, 1, 4, 1", [2, 1, 4], "Squeeze(x, a)", "a = int64 [1] [-1]"),
  on("2, 4", [1, 2, 4, 1], "Unsqueeze(x, a)", "a = int64 [2] [0, -1]"),
  on("2, 4", [2, 7], "Concat(x, c) { axis: -1 }", "c = float32 [2, 3] ones"),
  of(
    "Split with sizes",
    "float32",
    [2, 3],
    "input x float32 [2, 5]\ns = int64 [2] [2, 3]\nz, y = Split(x, s) { axis: 1 }",
  ),
  of(
    "Split by outputs",
    "float32",
    [2, 2],
    "opset 18\ninput x float32 [2, 5]\nz, y = Split(x) { axis: 1, num_outputs: 2 }",
  ),
  on("3, 1", [2, 3, 4], "Expand(x, s)", "s = int64 [3] [2, 1, 4]"),
  on("2, 3", [4, 9], "Tile(x, r)", "r = int64 [2] [2, 3]"),
  on("2, 3", [3, 8], "Pad(x, p)", "p = int64 [4] [1, 2, 0, 3]"),
  on("2, 3", [2, 6], "Pad(x, p, , a)", "p = int64 [2] [1, 2]\na = int64 [1] [-1]", 18),
  on("1, 2, 5, 5", [1, 2, 7, 12], "Resize(x, , s)", "s = float32 [4] [1, 1, 1.5, 2.5]"),
  on("1, 2, 5, 5", [1, 2, 7, 9], "Resize(x, , , s)", "s = int64 [4] [1, 2, 7, 9]"),
  on("1, 8, 3, 3", [1, 2, 6, 6], "DepthToSpace(x) { blocksize: 2 }"),
  on("1, 2, 6, 6", [1, 8, 3, 3], "SpaceToDepth(x) { blocksize: 2 }"),
  // picking
  on(
    "5, 6",
    [2, 3],
    "Slice(x, s, e, a, t)",
    "s = int64 [2] [1, -1]\ne = int64 [2] [3, -7]\na = int64 [2] [0, 1]\nt = int64 [2] [1, -2]",
  ),
  on(
    "5, 6",
    [5, 2],
    "Slice(x, s, e, a)",
    "s = int64 [1] [-2]\ne = int64 [1] [9223372036854775807]\na = int64 [1] [-1]",
  ),
  on("5, 6", [2, 2, 6], "Gather(x, i)", "i = int64 [2, 2] [0, 1, 2, 3]"),
  on("5, 6", [5], "Gather(x, i) { axis: 1 }", "i = int64 [] [-1]"),
  on("5, 6", [2, 3], "GatherElements(x, i) { axis: 1 }", "i = int64 [2, 3] zeros"),
  on("5, 6", [3], "GatherND(x, i)", "i = int64 [3, 2] ones"),
  of("TopK", "int64", [5, 2], "input x float32 [5, 6]\nk = int64 [1] [2]\nz, y = TopK(x, k)"),
  of(
    "OneHot",
    "float32",
    [2, 4, 3],
    "d = int64 [] [4]\nv = float32 [2] [0, 1]\ninput x int64 [2, 3]\ny = OneHot(x, d, v) { axis: 1 }",
  ),
  on("4, 4", [4, 4], "Trilu(x)"),
  on("4, 4", [4, 4], "CumSum(x, a)", "a = int64 [] [0]"),
  // reductions
  on("2, 3, 4", [2, 1, 4], "ReduceMean(x) { axes: [1] }"),
  on("2, 3, 4", [2, 4], "ReduceSum(x, a) { keepdims: 0 }", "a = int64 [1] [1]"),
  on("2, 3, 4", [1, 1, 1], "ReduceMax(x)"),
  on("2, 3", [2, 3], "ReduceSum(x) { noop_with_empty_axes: 1 }"),
  of(
    "ArgMax",
    "int64",
    [2, 4],
    "input x float32 [2, 3, 4]\ny = ArgMax(x) { axis: 1, keepdims: 0 }",
  ),
  // layers
  on(
    "5, 2, 3",
    [5, 2, 2, 4],
    'LSTM(x, w, r) { hidden_size: 4, direction: "bidirectional" }',
    "w = float32 [2, 16, 3] normal\nr = float32 [2, 16, 4] normal",
  ),
  of(
    "GRU's last state",
    "float32",
    [1, 2, 4],
    "input x float32 [5, 2, 3]\nw = float32 [1, 12, 3] normal\nr = float32 [1, 12, 4] normal\nz, y = GRU(x, w, r) { hidden_size: 4 }",
  ),
  on("2, 3, 4", [2, 3, 4], "LayerNormalization(x, s)", "s = float32 [4] ones"),
  of(
    "QuantizeLinear",
    "int8",
    [2, 3],
    "input x float32 [2, 3]\ns = float32 [] [0.1]\nz = int8 [] [0]\ny = QuantizeLinear(x, s, z)",
  ),
  of(
    "DynamicQuantizeLinear",
    "uint8",
    [2, 3],
    "input x float32 [2, 3]\ny, s, z = DynamicQuantizeLinear(x)",
  ),
  of(
    "MatMulNBits",
    "float32",
    [2, 3, 8],
    "opset com.microsoft 1\ninput x float32 [2, 3, 32]\nb = uint8 [8, 1, 16] range\ns = float32 [8, 1] ones\ny = com.microsoft.MatMulNBits(x, b, s) { K: 32, N: 8, bits: 4, block_size: 32 }",
  ),
  of(
    "GatherBlockQuantized",
    "float32",
    [3, 32],
    "opset com.microsoft 1\ninput i int64 [3]\nb = uint8 [8, 16] range\ns = float32 [8, 1] ones\ny = com.microsoft.GatherBlockQuantized(b, i, s) { bits: 4, block_size: 32, gather_axis: 0, quantize_axis: 1 }",
  ),
  // arithmetic of shapes
  of(
    "Reshape to what Shape, Gather, Mul and Concat give",
    "float32",
    [12, 4],
    `input x float32 [2, 6, 4]
     s = Shape(x)
     i = int64 [1] [0]
     j = int64 [1] [1]
     a = Gather(s, i)
     b = Gather(s, j)
     ab = Mul(a, b)
     last = int64 [1] [-1]
     to = Concat(ab, last) { axis: 0 }
     y = Reshape(x, to)`,
  ),
  of(
    "Expand through ConstantOfShape, Equal and Where",
    "float32",
    [2, 3, 4],
    `input x float32 [1, 4]
     shape = int64 [3] [2, 3, -1]
     three = int64 [1] [3]
     ones = ConstantOfShape(three) { value: int64 [1] [1] }
     minus = int64 [] [-1]
     asks = Equal(shape, minus)
     to = Where(asks, ones, shape)
     y = Expand(x, to)`,
  ),
  of(
    "Range of a sliced shape",
    "int64",
    [6],
    `input x float32 [2, 6]
     s = Shape(x) { start: 1 }
     n = Squeeze(s)
     zero = int64 [] [0]
     one = int64 [] [1]
     y = Range(zero, n, one)`,
  ),
  // control flow
  of(
    "If whose branches agree",
    "float32",
    [2, 3],
    `input x float32 [2, 3]
     input c bool []
     y = If(c) {
       then_branch: graph { p = Relu(x) output p float32 },
       else_branch: graph { q = Neg(x) output q float32 }
     }`,
  ),
  of(
    "Scan stacks what its body gives",
    "float32",
    [5, 3],
    `input x float32 [5, 3]
     h = float32 [3] zeros
     last, y = Scan(h, x) {
       num_scan_inputs: 1,
       body: graph {
         input a float32 [3] input b float32 [3]
         s = Add(a, b) t = Identity(s)
         output s float32 [3] output t float32 [3]
       }
     }`,
  ),
  of(
    "Loop keeps the shape of what it carries",
    "float32",
    [3],
    `input x float32 [3]
     n = int64 [] [4]
     t = bool [] [1]
     y = Loop(n, t, x) {
       body: graph {
         input i int64 [] input c bool [] input a float32
         d = Identity(c) b = Add(a, a)
         output d bool [] output b float32
       }
     }`,
  ),
];
