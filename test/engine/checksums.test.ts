/** The SHA-1 that a model states of its external data: compared, kept, and stated anew. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { graphKey, MAIN, mainGraph, type Model } from "../../src/core/model.ts";
import { checksumFindings } from "../../src/engine/checksums.ts";
import { closeAllFiles, openModel } from "../../src/engine/files.ts";
import { stageModel } from "../../src/engine/save.ts";
import { statedChecksums } from "../../src/formats/index.ts";
import { Cancelled } from "../../src/shared/errors.ts";
import { large, withGraph } from "../formats/make.ts";
import { abortingTask, task, tempFolder } from "../helpers/temp.ts";

const sha1 = (file: string): string => createHash("sha1").update(readFileSync(file)).digest("hex");
const SIZE = 70_000;

/** Two tensors in one file, one of them in a function, and one in another file. */
function make(
  t: TestContext,
  checksums: { readonly a?: string; readonly b?: string } = {},
): string {
  const folder = path.join(realpathSync(tempFolder(t)), "models");
  t.after(closeAllFiles);
  mkdirSync(folder);
  const [a, b] = [path.join(folder, "a.bin"), path.join(folder, "b.bin")];
  writeFileSync(a, large(1, 2 * SIZE));
  writeFileSync(b, large(2, SIZE));
  const tensor = (name: string, location: string, offset: number, checksum: string) => ({
    name,
    dataType: 2,
    dims: [BigInt(SIZE)],
    dataLocation: 1,
    externalData: Object.entries({ location, offset, length: SIZE, checksum }).map(
      ([key, value]) => ({ key, value: String(value) }),
    ),
  });
  const ofA = checksums.a ?? sha1(a);
  const file = path.join(folder, "m.onnx");
  writeFileSync(
    file,
    withGraph(
      {
        initializer: [
          tensor("one", "a.bin", 0, ofA),
          tensor("other", "b.bin", 0, checksums.b ?? sha1(b).toUpperCase()),
        ],
      },
      {
        functions: [
          {
            name: "F",
            node: [
              {
                opType: "Constant",
                output: ["c"],
                attribute: [{ name: "value", type: 4, t: tensor("inside", "a.bin", SIZE, ofA) }],
              },
            ],
          },
        ],
      },
    ),
  );
  return file;
}

async function saved(model: Model, to: string): Promise<Model> {
  const options = { externalData: "auto", overwrite: false, allowInput: false } as const;
  const staged = await stageModel(model, to, options, task);
  const { path: file, sizeBytes, files } = await staged.commit();
  const read = openModel(file);
  assert.equal(
    sizeBytes,
    files.reduce((sum, one) => sum + readFileSync(one).length, 0),
  );
  return read;
}

describe("checksums of external data", () => {
  it("that hold are no finding", async (t) => {
    const model = openModel(make(t));
    assert.equal(statedChecksums(model).length, 2);
    assert.deepEqual(await checksumFindings(model, task), []);
  });

  it("that do not hold are an error, and other texts a warning, once per file", async (t) => {
    const found = await checksumFindings(openModel(make(t, { a: "0".repeat(40), b: "md5" })), task);
    assert.deepEqual(
      found.map(({ code, severity, place }) => [code, severity, place.value]),
      [
        ["checksum", "error", "one"],
        ["checksum", "warning", "other"],
      ],
    );
    assert.match(
      found[0]!.message,
      /^The tensor "one" and 1 other tensor state the SHA-1 0{40} of "a\.bin", which has [0-9a-f]{40}/,
    );
  });

  it("are compared with progress, and until cancelled", async (t) => {
    const model = openModel(make(t));
    const heard: number[] = [];
    await checksumFindings(model, { ...task, progress: (fraction) => heard.push(fraction) });
    assert.equal(heard.at(-1), 1);
    await assert.rejects(checksumFindings(model, abortingTask(0)), Cancelled);
  });

  it("stay where a file stays as it is, and are those of the bytes where it does not", async (t) => {
    const file = make(t);
    const model = openModel(file);
    const to = path.join(path.dirname(file), "there");
    mkdirSync(to);
    const copy = await saved(model, path.join(to, "copy.onnx"));
    assert.deepEqual(await checksumFindings(copy, task), []);
    assert.deepEqual(
      statedChecksums(copy).map(({ checksum }) => checksum),
      statedChecksums(model).map(({ checksum }) => checksum),
    );
    const graph = mainGraph(model);
    const one = graph.tensors.get("one")!;
    const tensors = new Map(graph.tensors).set("one", { ...one, at: large(9, SIZE) });
    const changed = { ...model, graphs: new Map([[graphKey(MAIN), { ...graph, tensors }]]) };
    const read = await saved(changed, path.join(to, "changed.onnx"));
    assert.deepEqual(await checksumFindings(read, task), []);
    const stated = statedChecksums(read).find(({ tensors: count }) => count === 2)!;
    assert.equal(stated.checksum, sha1(stated.file));
    assert.notEqual(stated.checksum, sha1(path.join(path.dirname(file), "a.bin")));
  });
});
