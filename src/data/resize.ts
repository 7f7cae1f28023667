/** Bilinear resizing with an area filter when shrinking, bit for bit as Pillow's `resize(BILINEAR)`. */

export interface Image {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3]. */
  readonly rgb: Uint8Array;
}

/** Pillow keeps filter weights in fixed point with this many bits for 8-bit images. */
const PRECISION_BITS = 22;

export function bilinear(image: Image, height: number, width: number): Image {
  const wide = width === image.width ? image : resampleRows(image, width);
  if (height === wide.height) return wide;
  // Pillow does the columns second, on the rows' rounded result.
  return transposed(resampleRows(transposed(wide), height));
}

interface Filter {
  readonly start: number;
  readonly weights: Int32Array;
}

/** For each output position the inputs it mixes: a triangle as wide as the shrinking factor. */
function filters(from: number, to: number): Filter[] {
  const scale = from / to;
  const support = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const exact = Array.from({ length: end - start }, (_, k) =>
      Math.max(0, 1 - Math.abs((start + k - center + 0.5) / support)),
    );
    const sum = exact.reduce((a, b) => a + b, 0);
    return {
      start,
      weights: Int32Array.from(exact, (weight) =>
        Math.trunc(0.5 + (weight / sum) * 2 ** PRECISION_BITS),
      ),
    };
  });
}

function resampleRows(image: Image, width: number): Image {
  const table = filters(image.width, width);
  const rgb = new Uint8Array(image.height * width * 3);
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < width; x++) {
      const filter = table[x];
      if (filter === undefined) continue;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2 ** (PRECISION_BITS - 1);
        for (let k = 0; k < filter.weights.length; k++)
          sum +=
            (image.rgb[(y * image.width + filter.start + k) * 3 + channel] ?? 0) *
            (filter.weights[k] ?? 0);
        rgb[(y * width + x) * 3 + channel] = Math.min(255, Math.max(0, sum >> PRECISION_BITS));
      }
    }
  return { width, height: image.height, rgb };
}

function transposed(image: Image): Image {
  const { width, height } = image;
  const rgb = new Uint8Array(image.rgb.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        rgb[(x * height + y) * 3 + channel] = image.rgb[(y * width + x) * 3 + channel] ?? 0;
  return { width: height, height: width, rgb };
}
