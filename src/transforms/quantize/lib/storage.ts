/** How a quantized weight stands in the graph: the variants its uses need, and the nodes that take them. */
import type { GraphNode, Tensor } from "../../../core/model.ts";
import type { Transaction } from "../../../core/plugin.ts";
import { scopeOf } from "../../../core/scope.ts";
import type { NewAttribute, NewNode } from "../../../core/step.ts";
import type { BlockFormat, BlockOutput, Kernels } from "../../../shared/kernels.ts";
import { dequantizeParts, matrixSize, nbitsParts, tableParts, type Part } from "./blocks.ts";
import { floatAttr } from "../../../core/attributes.ts";
import { type Site, type Weight } from "./weights.ts";

export interface StorageParams {
  readonly bits: number;
  readonly block: number;
  readonly zeroPoints: "asymmetric" | "symmetric";
  readonly scale: "fitted" | "range";
  readonly format: "matmulnbits" | "dequantizelinear";
  readonly rowsPerCall: "auto" | "one" | "many";
  readonly embedding: "keep" | "8" | "4";
}

/** One set of codes; uses that read the matrix alike share it. */
export interface Variant {
  readonly storage: "matmulnbits" | "dequantizelinear" | "gather";
  readonly format: BlockFormat;
  readonly transposed: boolean;
  /** Multiplied into the scales. */
  readonly alpha: number;
  readonly sites: readonly Site[];
}
export interface StoredVariant {
  readonly variant: Variant;
  /** Codes, scales and, when asymmetric, zero points. */
  readonly names: readonly string[];
}

/**
 * On a 4-bit character model (blocks of 32): KL to the float model 0.0080 without, 0.0071 with one,
 * 0.0069 with two, 0.0068 with four rounds; at 2 bit 0.25 without and 0.19 with four.
 */
const REFITS = 2;

export function variantsOf(weight: Weight, params: StorageParams): readonly Variant[] {
  const groups = new Map<string, Variant & { sites: Site[] }>();
  for (const site of weight.sites) {
    const storage = site.op === "Gather" ? "gather" : params.format;
    const bits = site.op === "Gather" ? Number(params.embedding) : params.bits;
    const key = `${storage} ${site.transposed} ${site.alpha}`;
    const group = groups.get(key);
    if (group) group.sites.push(site);
    else
      groups.set(key, {
        storage,
        format: {
          bits: bits === 8 ? 8 : bits === 4 ? 4 : 2,
          block: params.block,
          symmetric: params.zeroPoints === "symmetric",
          refits: params.scale === "fitted" ? REFITS : 0,
        },
        transposed: site.transposed,
        alpha: site.alpha,
        sites: [site],
      });
  }
  return [...groups.values()];
}

/** The tensors of a variant; with null in place of kernels and codes, their sizes only. */
export function variantParts(
  variant: Variant,
  tensor: Tensor,
  kernels: Kernels | null,
  out: BlockOutput | null,
): readonly Part[] {
  const { n, k } = matrixSize(tensor, variant.transposed);
  const scaleType = tensor.dtype;
  const encode = (scales: Float32Array): Uint8Array => {
    if (!kernels) return new Uint8Array();
    const { alpha } = variant;
    if (alpha === 1 && scaleType.name === "float32")
      return new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    return kernels.fromF32(scaleType, alpha === 1 ? scales : scales.map((s) => s * alpha));
  };
  const parts = { matmulnbits: nbitsParts, dequantizelinear: dequantizeParts, gather: tableParts };
  return parts[variant.storage](variant.format, n, k, scaleType, encode, out);
}

/**
 * `accuracy_level` of MatMulNBits. 4 rounds activations to 8 bit, 0 keeps them float. Speed against
 * float32, one row / 1024 rows: 4 bit 4.8 / 0.84 at level 4 and 1.9 / 1.0 at level 0; 8 bit 3.0 /
 * 0.87 and 0.03 / 0.78; 2 bit 3.0 / 0.41 and 0.03 / 0.80 (levels other than 4 unpack the whole
 * matrix on each call there). So auto takes level 0 only at 4 bit, where it is never slow.
 */
function accuracyLevel(bits: number, rows: StorageParams["rowsPerCall"]): 0 | 4 {
  if (rows === "one" || bits === 8) return 4;
  return bits === 4 || rows === "many" ? 0 : 4;
}

export const betaOf = (node: GraphNode): number =>
  node.op === "Gemm" && (node.inputs[2] ?? "") !== "" ? (floatAttr(node, "beta") ?? 1) : 1;

const int = (value: number): NewAttribute => ({ kind: "int", value });

/** The nodes that do what the site's node did. */
export function replacement(
  tx: Transaction,
  site: Site,
  stored: StoredVariant,
  weight: Weight,
  more: {
    readonly params: StorageParams;
    /** Scalar that a Gemm's bias is multiplied with; "" for none. */
    readonly betaName: string;
    /** The dequantized matrix, in that format. */
    readonly weightName: string;
  },
): readonly NewNode[] {
  const { variant, names } = stored;
  const { node, path } = site;
  const { bits, block } = variant.format;
  const { name, outputs } = node;
  if (variant.storage === "gather") {
    const [codes = "", ...rest] = names;
    const attrs = {
      bits: int(bits),
      block_size: int(block),
      gather_axis: int(0),
      quantize_axis: int(1),
    };
    return [
      {
        name,
        op: "GatherBlockQuantized",
        domain: "com.microsoft",
        inputs: [codes, node.inputs[1] ?? "", ...rest],
        outputs,
        attrs,
      },
    ];
  }
  const { n, k } = matrixSize(weight.tensor, variant.transposed);
  const given = betaOf(node) === 0 ? "" : (node.inputs[2] ?? "");
  const fresh = (suffix: string): string => tx.uniqueName(path, (outputs[0] ?? "") + suffix);
  const out: NewNode[] = [];
  let bias = given;
  if (more.betaName !== "") {
    bias = fresh("_bias");
    out.push(standard("Mul", [given, more.betaName], [bias]));
  }
  const fused =
    variant.storage === "matmulnbits" && more.betaName === "" && isBiasVector(tx, site, given, n);
  const product = bias === "" || fused ? outputs : [fresh("_mm")];
  const activations = node.inputs[0] ?? "";
  if (variant.storage === "matmulnbits") {
    const level = accuracyLevel(bits, more.params.rowsPerCall);
    const inputs = [activations, ...names];
    if (fused) while (inputs.length < 5) inputs.push("");
    out.push({
      name,
      op: "MatMulNBits",
      domain: "com.microsoft",
      inputs: fused ? [...inputs, bias] : inputs,
      outputs: product,
      attrs: {
        K: int(k),
        N: int(n),
        bits: int(bits),
        block_size: int(block),
        ...(level === 0 ? {} : { accuracy_level: int(level) }),
      },
    });
  } else out.push({ ...standard("MatMul", [activations, more.weightName], product), name });
  if (bias !== "" && !fused) out.push(standard("Add", [product[0] ?? "", bias], outputs));
  return out;
}

const standard = (op: string, inputs: readonly string[], outputs: readonly string[]): NewNode => ({
  name: "",
  op,
  domain: "",
  inputs,
  outputs,
  attrs: {},
});

/** A constant `[N]`, which MatMulNBits adds by itself. */
function isBiasVector(tx: Transaction, site: Site, bias: string, n: number): boolean {
  if (bias === "") return false;
  const { shape } = scopeOf(tx.model).constant(site.path, bias)?.tensor ?? {};
  return shape?.length === 1 && shape[0] === n;
}
