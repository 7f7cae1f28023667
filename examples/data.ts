/** Every data file of the examples, and the larger training sets that are not kept in the repository. */
import { IMAGE_SIZE, generateImages } from "./images/generate.ts";
import { npyOfBytes } from "./npy.ts";
import { CHARACTERS, generateText } from "./text/generate.ts";

export interface DataFile {
  /** Relative to `examples/` for kept files, to the training folder for the others. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Different seeds, so that training, calibration and evaluation never share a sample. */
const SEED = { train: 1, calibration: 2, evaluation: 3 } as const;

/** The files committed beside the models: calibration and evaluation data, vocabulary. */
export function keptFiles(): DataFile[] {
  return [
    ...imageFiles("images/calib", SEED.calibration, 128),
    ...imageFiles("images/eval", SEED.evaluation, 900),
    textFile("text/calib.txt", SEED.calibration, 16_000),
    textFile("text/eval.txt", SEED.evaluation, 48_000),
    { path: "text/charset.json", bytes: encode(JSON.stringify({ chars: CHARACTERS }) + "\n") },
  ];
}

/** What the training scripts read; a few megabytes, made anew when needed. */
export function trainingFiles(): DataFile[] {
  return [...imageFiles("images", SEED.train, 16_000), textFile("text.txt", SEED.train, 1_500_000)];
}

function imageFiles(name: string, seed: number, count: number): DataFile[] {
  const { pixels, labels } = generateImages(seed, count);
  return [
    { path: `${name}_x.npy`, bytes: npyOfBytes([count, IMAGE_SIZE, IMAGE_SIZE], pixels) },
    { path: `${name}_y.npy`, bytes: npyOfBytes([count], labels) },
  ];
}

const textFile = (path: string, seed: number, length: number): DataFile => ({
  path,
  bytes: encode(generateText(seed, length)),
});

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
