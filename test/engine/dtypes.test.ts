/**
 * Every element type, from a file's bytes to what a person is shown: figures of a tensor against what
 * the Python onnx package reads (test/fixtures/onnxForms.json), and a changed tensor's difference.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { inflateSync } from "node:zlib";
import { diffTensors } from "../../src/engine/diff.ts";
import { tensorStats } from "../../src/engine/questions/tensorStats.ts";
import { tensors } from "../../src/engine/questions/tensors.ts";
import { byteLength, DTYPES } from "../../src/shared/dtype.ts";
import { onnxBytes } from "../formats/make.ts";
import { safetensorsBytes } from "../formats/safetensorsBytes.ts";
import { docOf, testEnvironment } from "../helpers/environment.ts";
import { task, tempFolder } from "../helpers/temp.ts";

interface Fixture {
  readonly cases: readonly {
    readonly title: string;
    readonly file: string;
    readonly reads: {
      readonly graph: {
        readonly tensors: readonly {
          readonly name: string;
          readonly dtype: number;
          readonly values?: readonly (number | string)[];
        }[];
      };
    };
  }[];
}
const { cases } = JSON.parse(readFileSync("test/fixtures/onnxForms.json", "utf8")) as Fixture;

describe("every element type has figures", () => {
  for (const { title, file, reads } of cases.filter((one) => one.title.endsWith("in every form")))
    it(title, async (t) => {
      const folder = tempFolder(t);
      const model = path.join(folder, "m.onnx");
      writeFileSync(model, inflateSync(Buffer.from(file, "base64")));
      const env = testEnvironment(folder);
      for (const { name, values } of reads.graph.tensors) {
        const got = await tensorStats({ doc: docOf(model), graph: "[]", name }, env, task);
        if (!values) {
          assert.match(got.note ?? "", /^Values of type complex/);
          continue;
        }
        const finite = values.filter((x) => typeof x === "number");
        const mean = finite.reduce((sum, x) => sum + x, 0) / finite.length;
        assert.deepEqual(got.head, finite);
        assert.deepEqual([got.min, got.max], [Math.min(...finite), Math.max(...finite)]);
        assert.ok(got.mean !== null && Math.abs(got.mean - mean) <= 1e-6 * Math.abs(mean) + 1e-30);
        assert.equal(got.nan, values.filter((x) => x === "nan").length);
        assert.equal(got.inf, values.filter((x) => x === "inf" || x === "-inf").length);
      }
    });
});

/** Eight values of each type in one file; `fill` is every byte but those of booleans. */
const onnxFile = (fill: number): Uint8Array =>
  onnxBytes({
    irVersion: 14n,
    opsetImport: [{ version: 25n }],
    graph: {
      initializer: DTYPES.flatMap((type) =>
        type.onnx === null
          ? []
          : [
              {
                name: type.name,
                dataType: type.onnx,
                dims: [8n],
                ...(type.kind === "string"
                  ? { stringData: Array.from({ length: 8 }, () => Uint8Array.of(fill)) }
                  : { rawData: bytesOf(type, fill) }),
              },
            ],
      ),
    },
  });
const bytesOf = (type: (typeof DTYPES)[number], fill: number): Uint8Array =>
  new Uint8Array(byteLength(type, 8) ?? 0).fill(type.kind === "bool" ? fill % 2 : fill);
function safetensorsFile(fill: number): Uint8Array {
  const types = DTYPES.filter((type) => type.safetensors !== null);
  let end = 0;
  const header = types.map((type) => {
    const begin = end;
    end += byteLength(type, 8) ?? 0;
    return [type.name, { dtype: type.safetensors, shape: [8], data_offsets: [begin, end] }];
  });
  const file = safetensorsBytes(Object.fromEntries(header) as object, end);
  file.set(Buffer.concat(types.map((type) => bytesOf(type, fill))), file.length - end);
  return file;
}

describe("every element type is listed and compared", () => {
  const compare = async (t: TestContext, name: string, make: (fill: number) => Uint8Array) => {
    const folder = tempFolder(t);
    const [a, b] = [path.join(folder, `a.${name}`), path.join(folder, `b.${name}`)];
    writeFileSync(a, make(0x23));
    writeFileSync(b, make(0x32));
    const env = testEnvironment(folder);
    const window = { from: 0, to: 100, sort: "order", descending: false, filter: "" } as const;
    const { rows } = await tensors({ doc: docOf(a), ...window }, env, task);
    const diff = await diffTensors({ before: docOf(a), after: docOf(b) }, env, task);
    assert.deepEqual(
      diff.tensors.map((one) => one.name).sort(),
      rows.map((row) => row.name).sort(),
    );
    for (const one of diff.tensors)
      if (one.sqnrDb === null)
        assert.match(one.detail, /(complex|string)\d* values have no SQNR|old values are zero/);
    const same = await diffTensors({ before: docOf(a), after: docOf(a) }, env, task);
    assert.deepEqual(same.tensors, []);
    return rows.map((row) => row.dtype);
  };
  it("ONNX", async (t) => {
    const types = await compare(t, "onnx", onnxFile);
    assert.deepEqual(
      types,
      DTYPES.filter((type) => type.onnx !== null).map((type) => type.name),
    );
  });
  it("safetensors", async (t) => {
    const types = await compare(t, "safetensors", safetensorsFile);
    assert.deepEqual(
      [...types].sort(),
      DTYPES.filter((type) => type.safetensors !== null)
        .map((type) => type.name)
        .sort(),
    );
  });
});
