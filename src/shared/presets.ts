/**
 * Ready recipes for quantizing, by the runtime the result is for. A preset is a list of entries and
 * nothing else: whoever applies one gets a recipe that can be read and edited.
 */
import type { Entry, ParamValues } from "./doc.ts";

export const TARGETS = [
  {
    id: "onnxruntime",
    title: "onnxruntime on a CPU",
    note: "Accuracy and speed are measured on this machine.",
  },
  {
    id: "openvino",
    title: "OpenVINO",
    note: "Standard operators only. Accuracy is simulated, speed not measured.",
  },
  {
    id: "tensorrt",
    title: "TensorRT",
    note: "Symmetric int8 with float biases. Accuracy is simulated, speed not measured.",
  },
  {
    id: "qnn",
    title: "QNN",
    note: "Integers everywhere, static shapes. Accuracy is simulated, speed not measured.",
  },
  {
    id: "coreml",
    title: "Core ML",
    note: "Float activations: integer ones are unproven there. Accuracy is simulated, speed not measured.",
  },
  {
    id: "web",
    title: "WebGPU and the web",
    note: "No integer activations on the GPU. Accuracy is simulated, speed not measured.",
  },
] as const;
export type TargetId = (typeof TARGETS)[number]["id"];

export interface Preset {
  readonly id: PresetId;
  readonly title: string;
  /** What it gives and what it costs, one line. */
  readonly detail: string;
  readonly data: "none" | "required";
  /** For the result's name beside the input: `model.<suffix>.onnx`. */
  readonly suffix: string;
  readonly entries: readonly Entry[];
}
export type PresetId = "int8" | "a16w8" | "int8-no-data" | "small" | "llm-4bit" | "half";
export const PRESET_IDS: readonly PresetId[] = [
  "int8",
  "a16w8",
  "int8-no-data",
  "small",
  "llm-4bit",
  "half",
];

const entry = (transform: string, params: ParamValues = {}): Entry => ({ transform, params });

/**
 * Channels more than this out of balance (factors of 4 and more) are equalized first. In a net whose
 * channels differ by up to 2^5 one range per tensor keeps a quarter of the accuracy; ordinary nets
 * are within it and stay as they are.
 */
const EQUALIZE_OCTAVES = 2;
const calibrated = (target: string, bits: number): readonly Entry[] => [
  entry("graph.foldBatchNorm"),
  entry("quantize.equalize", { least: EQUALIZE_OCTAVES }),
  entry("quantize.static", { target, bits }),
];
/** For QNN a tensor that stays float costs a way to another processor: more is borne before it does. */
const QNN_KL = 1e-3;
const everywhere = (activations: "8" | "16"): readonly Entry[] => [
  entry("graph.upgradeOpset", { target: activations === "16" ? 21 : 13 }),
  entry("graph.foldBatchNorm"),
  entry("quantize.equalize", { least: EQUALIZE_OCTAVES }),
  entry("quantize.static", { target: "qnn", activations, probeKl: QNN_KL }),
];
/** Blocks of weights in standard operators, which need operator set 21. */
const standardBlocks = (bits: number): readonly Entry[] => [
  entry("graph.upgradeOpset", { target: 21 }),
  entry("quantize.weightOnly", { bits, format: "dequantizelinear", rounding: "calibrated" }),
];

const INT8: Omit<Preset, "entries"> = {
  id: "int8",
  title: "Fast INT8 (static)",
  detail: "Smaller and faster: weights and activations in 8 bit. Needs calibration data.",
  data: "required",
  suffix: "int8",
};
const NO_DATA: Omit<Preset, "entries"> = {
  id: "int8-no-data",
  title: "INT8 without data",
  detail: "Matrix products and LSTMs in 8 bit; convolutions stay float.",
  data: "none",
  suffix: "dyn",
};
const A16W8: Omit<Preset, "entries"> = {
  id: "a16w8",
  title: "INT8 weights, 16-bit activations",
  detail: "For models that 8-bit activations hurt; slower than Fast INT8. Needs calibration data.",
  data: "required",
  suffix: "a16w8",
};
const WEIGHTS: Omit<Preset, "entries"> = {
  id: "int8-no-data",
  title: "8-bit weights",
  detail: "Matrices of products in 8 bit, standard operators; they compute in float.",
  data: "none",
  suffix: "w8",
};
const SMALL: Omit<Preset, "entries"> = {
  id: "small",
  title: "Small, same speed (4-bit storage)",
  detail: "Half the bytes of Fast INT8 at its speed; costs accuracy. Needs calibration data.",
  data: "required",
  suffix: "w4a8",
};
const LLM: Omit<Preset, "entries"> = {
  id: "llm-4bit",
  title: "LLM 4-bit",
  detail:
    "Matrix products in 4 bit, blocks of 32; faster for one token at a time. Better with data, which the rounding then looks at.",
  data: "none",
  suffix: "w4",
};
const HALF: Omit<Preset, "entries"> = {
  id: "half",
  title: "Half precision",
  detail: "Weights as float16: half the bytes, hardly any loss.",
  data: "none",
  suffix: "fp16",
};
const half = (): Preset => ({ ...HALF, entries: [entry("quantize.float16")] });

/** What a runtime can be given, best first. */
export function presetsFor(target: TargetId): readonly Preset[] {
  switch (target) {
    case "onnxruntime":
      return [
        { ...INT8, entries: calibrated(target, 8) },
        // Weights that nodes compute, such as reordered gates of an LSTM, are constants after it.
        { ...NO_DATA, entries: [entry("graph.clean"), entry("quantize.dynamic")] },
        { ...SMALL, entries: calibrated(target, 4) },
        {
          ...LLM,
          entries: [
            entry("graph.clean"),
            entry("quantize.weightOnly", {
              bits: 4,
              block: 32,
              embedding: "8",
              rounding: "calibrated",
            }),
          ],
        },
        half(),
      ];
    case "openvino":
      return [
        { ...INT8, entries: calibrated(target, 8) },
        { ...WEIGHTS, entries: standardBlocks(8) },
        { ...LLM, entries: standardBlocks(4) },
        half(),
      ];
    case "tensorrt":
      return [{ ...INT8, entries: calibrated(target, 8) }, half()];
    case "web":
      return [
        half(),
        {
          ...LLM,
          entries: [
            entry("graph.clean"),
            entry("quantize.weightOnly", { bits: 4, block: 32, rounding: "calibrated" }),
          ],
        },
      ];
    case "qnn":
      return [
        { ...INT8, entries: everywhere("8") },
        { ...A16W8, entries: everywhere("16") },
        half(),
      ];
    case "coreml":
      return [half(), { ...WEIGHTS, entries: standardBlocks(8) }];
  }
}

/** Why a runtime has no preset of this kind; null where nothing more is to be said. */
export function whyNot(preset: string, target: TargetId): string | null {
  if (preset !== "int8" && preset !== "small") return null;
  switch (target) {
    case "coreml":
      return "Integer activations are unproven in Core ML.";
    case "web":
      return "WebGPU has no integer activations; they would go back to the CPU.";
    default:
      return null;
  }
}

export const isTarget = (id: string): id is TargetId => TARGETS.some((target) => target.id === id);

/** The runtime that a recipe says it is for: in its own words, else in those of a technique. */
export function targetOf(entries: readonly Entry[], given: string | null): TargetId | null {
  for (const id of [given, ...entries.map(({ params }) => params["target"])])
    if (typeof id === "string" && isTarget(id)) return id;
  return null;
}

/** What figures of this machine's onnxruntime are worth for another runtime; null for its own. */
export function simulatedText(target: TargetId | null): string | null {
  const found = TARGETS.find(({ id }) => id === target);
  return !found || found.id === "onnxruntime"
    ? null
    : `made for ${found.title}: accuracy simulated, speed not measured`;
}
