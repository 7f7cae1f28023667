/** Generated graphs as text (see graphText.ts): decoders of any depth, and graphs without any order. */
import { randomSource } from "./random.ts";

export interface DecoderOptions {
  readonly layers: number;
  /** Names with scopes (`/layers.3/attention/q`), or none that say anything. */
  readonly names?: "scopes" | "opaque";
  /** Every n-th layer has experts in place of one MLP. */
  readonly expertsEvery?: number;
  readonly width?: number;
}

/** About 26 nodes a layer; the mask and the rotary tables feed every layer. Runs in onnxruntime. */
export function decoderText({
  layers,
  names = "scopes",
  expertsEvery = 0,
  width = 8,
}: DecoderOptions): string {
  const lines: string[] = [
    `input x float32 [4, ${width}]`,
    "input mask float32 [4, 4]",
    `cosine = float32 [4, ${width}] normal`,
    `one = float32 [1] [1]`,
    "masked = Sub(mask, one)",
    "bias = Neg(masked)",
    "cos = Cos(cosine)",
    "sin = Sin(cosine)",
  ];
  let count = 0;
  const weight = (): string => {
    const name = `w${count++}`;
    lines.push(`${name} = float32 [${width}, ${width}] normal * 0.1`);
    return name;
  };
  const node = (scope: string, op: string, ...inputs: string[]): string => {
    const output = `v${count++}`;
    const name = names === "scopes" ? `${scope}/${op}_${count}` : `node_${count}`;
    lines.push(`${output} = ${op}(${inputs.join(", ")}) { name: "${name}" }`);
    return output;
  };
  let at = "x";
  for (let layer = 0; layer < layers; layer++) {
    const scope = `/model/layers.${layer}`;
    const attention = `${scope}/attention`;
    const rotary = (value: string): string =>
      node(
        attention,
        "Add",
        node(attention, "Mul", value, "cos"),
        node(attention, "Mul", node(attention, "Neg", value), "sin"),
      );
    const norm = node(`${scope}/norm`, "Tanh", at);
    const q = rotary(node(attention, "MatMul", norm, weight()));
    const k = rotary(node(attention, "MatMul", norm, weight()));
    const v = node(attention, "MatMul", norm, weight());
    const scores = node(attention, "MatMul", q, node(attention, "Transpose", k));
    const softmax = node(attention, "Softmax", node(attention, "Add", scores, "bias"));
    const mixed = node(attention, "MatMul", node(attention, "MatMul", softmax, v), weight());
    const middle = node(scope, "Add", at, mixed);
    const after = node(`${scope}/norm2`, "Tanh", middle);
    const mlp = (): string =>
      node(
        `${scope}/mlp`,
        "MatMul",
        node(
          `${scope}/mlp`,
          "Mul",
          node(`${scope}/mlp`, "Sigmoid", node(`${scope}/mlp`, "MatMul", after, weight())),
          node(`${scope}/mlp`, "MatMul", after, weight()),
        ),
        weight(),
      );
    const experts = expertsEvery > 0 && layer % expertsEvery === expertsEvery - 1;
    const fed = experts ? node(`${scope}/mlp`, "Sum", mlp(), mlp(), mlp()) : mlp();
    at = node(scope, "Add", middle, fed);
  }
  lines.push(`y = Tanh(${at})`, `output y float32 [4, ${width}]`);
  return lines.join("\n");
}

/** Nodes whose two inputs are any earlier ones: mostly near, 15 % from anywhere. */
export function randomText(nodes: number): string {
  const next = randomSource(7);
  const lines = ["input x float32 [4]"];
  const value = (i: number): string => (i < 0 ? "x" : `v${i}`);
  for (let i = 0; i < nodes; i++) {
    const pick = (): string => {
      const reach = next() < 0.85 ? Math.min(20, i + 1) : i + 1;
      return value(i - 1 - Math.floor(next() * reach));
    };
    lines.push(`v${i} = ${i % 3 === 0 ? "Mul" : "Add"}(${pick()}, ${pick()})`);
  }
  lines.push(`y = Tanh(v${nodes - 1})`, "output y float32 [4]");
  return lines.join("\n");
}

/** A convolutional network of residual blocks, 5 nodes each. */
export function residualText(blocks: number): string {
  const lines = ["input x float32 [1, 4, 8, 8]"];
  let at = "x";
  for (let i = 0; i < blocks; i++) {
    for (const part of ["a", "b"]) lines.push(`w${i}${part} = float32 [4, 4, 3, 3] normal * 0.1`);
    lines.push(
      `c${i} = Conv(${at}, w${i}a) { pads: [1, 1, 1, 1] }`,
      `r${i} = Relu(c${i})`,
      `d${i} = Conv(r${i}, w${i}b) { pads: [1, 1, 1, 1] }`,
      `s${i} = Add(d${i}, ${at})`,
      `o${i} = Relu(s${i})`,
    );
    at = `o${i}`;
  }
  lines.push(`y = Identity(${at})`, "output y float32 [1, 4, 8, 8]");
  return lines.join("\n");
}
