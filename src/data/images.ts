/**
 * Folders of JPEG and PNG images with a labels.csv. Decoding, resizing and cropping give the pixels
 * that Pillow gives: another decoder's rounding changes predictions.
 */
import decodeJpeg, { init } from "@jsquash/jpeg/decode.js";
import { convertIndexedToRgb, decode as decodePng } from "fast-png";
import path from "node:path";
// By path, not by package name: bundles leave packages out, and Node cannot import .wasm.
import jpegWasm from "../../node_modules/@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm";
import { dataErrors } from "../shared/errors.ts";
import { wholeFile } from "./files.ts";
import { bilinear, type Image } from "./resize.ts";
import type { Samples } from "./samples.ts";

/** Larger photographs exist, but not as input of a model; a hostile file could ask for gigabytes. */
const MAX_PIXELS = 2 ** 26;
const MAX_FILE_BYTES = 2 ** 27;

export interface ImageSpec {
  /** Length of the shorter side, or [height, width]. */
  readonly resize?: number | readonly [number, number];
  /** Side, or [height, width], cut from the centre. */
  readonly crop?: number | readonly [number, number];
}

/** The images `files` of a folder, uint8 [height, width, 3]; all must come out the same size. */
export async function openImages(
  folder: string,
  files: readonly string[],
  spec: ImageSpec,
): Promise<Samples> {
  const [first] = files;
  if (first === undefined) throw dataErrors.empty(folder);
  const { height, width } = await load(folder, first, spec);
  const size = height * width * 3;
  return {
    path: folder,
    dtype: "uint8",
    count: files.length,
    shape: [height, width, 3],
    read: async (from, to) => {
      const out = new Uint8Array((to - from) * size);
      for (let i = from; i < to; i++) {
        const file = files[i] ?? "";
        const image = await load(folder, file, spec);
        if (image.height !== height || image.width !== width)
          throw dataErrors.bad(
            path.join(folder, file),
            file,
            `it is ${image.height} × ${image.width} pixels, "${first}" is ${height} × ${width}`,
            'Set "resize" and "crop" so that all images come out the same size.',
          );
        out.set(image.rgb, (i - from) * size);
      }
      return out;
    },
  };
}

async function load(folder: string, file: string, spec: ImageSpec): Promise<Image> {
  const full = path.join(folder, file);
  const image = await decodeImage(full, wholeFile(full, MAX_FILE_BYTES));
  return cropped(full, resized(image, spec.resize), spec.crop);
}

/** RGB, 8 bit: alpha is dropped, grey repeated, 16 bit cut to its high byte. @throws DataError */
export async function decodeImage(name: string, bytes: Uint8Array): Promise<Image> {
  try {
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return await fromJpeg(name, bytes);
    if (bytes[0] === 0x89 && bytes[1] === 0x50) return fromPng(name, bytes);
  } catch (error) {
    throw unreadable(name, error instanceof Error ? error.message : String(error));
  }
  throw unreadable(name, "it is neither JPEG nor PNG");
}

const unreadable = (name: string, problem: string): Error =>
  dataErrors.bad(name, name, `the image cannot be read: ${problem}`, "Save it as JPEG or PNG.");

/** What the decoder gives; its own types need the browser's. */
interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}
let decoder: Promise<unknown> | null = null;

async function fromJpeg(name: string, bytes: Uint8Array): Promise<Image> {
  checkPixels(name, jpegSize(bytes));
  decoder ??= (init as (module: WebAssembly.Module) => Promise<unknown>)(
    new WebAssembly.Module(jpegWasm),
  );
  await decoder;
  const rgba = await (decodeJpeg as unknown as (bytes: Uint8Array) => Promise<Rgba>)(bytes);
  return { width: rgba.width, height: rgba.height, rgb: toRgb(rgba.data, 4, 8) };
}

function fromPng(name: string, bytes: Uint8Array): Image {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkPixels(name, [header.getUint32(20), header.getUint32(16)]);
  const png = decodePng(bytes);
  const { width, height } = png;
  if (png.palette) {
    const entry = png.palette[0]?.length ?? 3;
    return { width, height, rgb: toRgb(convertIndexedToRgb(png), entry, 8) };
  }
  if (png.depth < 8) return { width, height, rgb: unpackGrey(png.data, width, height, png.depth) };
  return { width, height, rgb: toRgb(png.data, png.channels, png.depth) };
}

function checkPixels(name: string, size: readonly [number, number] | null): void {
  if (size !== null && size[0] * size[1] <= MAX_PIXELS) return;
  throw unreadable(
    name,
    size === null ? "it has no size" : `${size[0]} × ${size[1]} pixels are too many`,
  );
}

/** Height and width from a JPEG's frame header, before anything is decoded. */
function jpegSize(bytes: Uint8Array): readonly [number, number] | null {
  const word = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  for (let at = 2; at + 9 < bytes.length; at += 2 + word(at + 2)) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff) return null;
    // Start of frame, any kind of coding; 0xc4, 0xc8 and 0xcc in that range are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return [word(at + 5), word(at + 7)];
    if (word(at + 2) < 2) return null;
  }
  return null;
}

function toRgb(data: ArrayLike<number>, channels: number, depth: number): Uint8Array {
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  const shift = depth - 8;
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0];
  for (let i = 0; i < pixels; i++) {
    out[i * 3] = (data[i * channels] ?? 0) >> shift;
    out[i * 3 + 1] = (data[i * channels + g] ?? 0) >> shift;
    out[i * 3 + 2] = (data[i * channels + b] ?? 0) >> shift;
  }
  return out;
}

/** 1-, 2- and 4-bit grey, rows padded to whole bytes, spread over 0 to 255. */
function unpackGrey(
  data: ArrayLike<number>,
  width: number,
  height: number,
  depth: number,
): Uint8Array {
  const out = new Uint8Array(width * height * 3);
  const rowBytes = Math.ceil((width * depth) / 8);
  const top = 2 ** depth - 1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const byte = data[y * rowBytes + ((x * depth) >> 3)] ?? 0;
      const value = (byte >> (8 - depth - ((x * depth) & 7))) & top;
      out.fill((value * 255) / top, (y * width + x) * 3, (y * width + x + 1) * 3);
    }
  return out;
}

function resized(image: Image, size: ImageSpec["resize"]): Image {
  if (size === undefined) return image;
  if (typeof size !== "number") return bilinear(image, size[0], size[1]);
  const { width, height } = image;
  return width <= height
    ? bilinear(image, Math.trunc((size * height) / width), size)
    : bilinear(image, size, Math.trunc((size * width) / height));
}

/** The centre; odd margins are split as torchvision splits them (half to even). */
function cropped(name: string, image: Image, size: ImageSpec["crop"]): Image {
  if (size === undefined) return image;
  const [height, width] = typeof size === "number" ? [size, size] : size;
  if (height > image.height || width > image.width)
    throw dataErrors.bad(
      name,
      "crop",
      `${height} × ${width} pixels cannot be cut from ${image.height} × ${image.width}`,
      'Set "resize" to at least the size of "crop".',
    );
  const top = halfToEven((image.height - height) / 2);
  const left = halfToEven((image.width - width) / 2);
  const rgb = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    rgb.set(image.rgb.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, rgb };
}

function halfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
