/** Bad input: each case is one paragraph that names cause and fix, exit code 2, and nothing is written. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { workplace } from "./lathe.ts";
import { classifier, dataset, safetensors } from "./models.ts";

const here = workplace();

before(() => {
  const model = classifier();
  here.write({
    "model.onnx": model,
    "truncated.onnx": model.subarray(0, 20_000),
    "renamed.onnx": '{"layers": [1, 2, 3]}\n',
    "lfs.onnx":
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
    "notes.txt": "no model\n",
    "lying.safetensors": safetensors("{}", [], 1e15),
    "beyond.safetensors": safetensors('{"w":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}', [
      new Uint8Array(16),
    ]),
    "missing-data.onnx": classifier({ location: "weights.bin" }),
    "escaping.onnx": classifier({ location: "../secret.bin" }),
    "../secret.bin": new Uint8Array(64 * 96 * 4),
    "taken.onnx": model,
    "bad.lathe.json": '{"version": 1, "entries": [{"transform": "graph.cleam"}]}',
    ...dataset(8, 32),
  });
});

/** The user without rights, on Linux and macOS alike. */
const NOBODY = 65534;
const APPLY = ["apply", "model.onnx", "-t", "quantize.weightOnly"];
interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly code: string;
  /** The whole paragraph; FOLDER stands for the working folder. */
  readonly text: string | RegExp;
}
const CASES: readonly Case[] = [
  {
    name: "a missing file",
    args: ["inspect", "gone.onnx"],
    code: "engine",
    text: "FOLDER/gone.onnx does not exist. Check the path.",
  },
  {
    name: "a folder",
    args: ["inspect", "."],
    code: "engine",
    text: "FOLDER is not a file. Give the path of a model file.",
  },
  {
    name: "a truncated file",
    args: ["inspect", "truncated.onnx"],
    code: "format",
    text: "FOLDER/truncated.onnx is cut off: graph at byte 19 needs 29,090 bytes, 19,981 are left. The download or copy was probably interrupted; get the file again.",
  },
  {
    name: "JSON renamed to .onnx",
    args: ["inspect", "renamed.onnx"],
    code: "format",
    text: "FOLDER/renamed.onnx is not an ONNX model: JSON text starts at byte 0. Lathe opens .onnx (protobuf) and .safetensors files; check that the file is what its name says.",
  },
  {
    name: "a Git LFS pointer",
    args: ["inspect", "lfs.onnx"],
    code: "format",
    text: "FOLDER/lfs.onnx is a Git LFS pointer, not the model itself. Fetch the real file with `git lfs pull`.",
  },
  {
    name: "another kind of file",
    args: ["bench", "notes.txt"],
    code: "format",
    text: "FOLDER/notes.txt is not a model Lathe can open. Lathe opens .onnx, .safetensors and .safetensors.index.json files.",
  },
  {
    name: "another kind of file to change",
    args: ["apply", "notes.txt", "-t", "quantize.weightOnly", "-o", "o.onnx"],
    code: "format",
    text: "FOLDER/notes.txt is not a model Lathe can open. Lathe opens .onnx, .safetensors and .safetensors.index.json files.",
  },
  {
    name: "a safetensors header that lies about its length",
    args: ["inspect", "lying.safetensors"],
    code: "format",
    text: "FOLDER/lying.safetensors is not a valid safetensors file: its header would be 1000000000000000 bytes long, more than 100000000. A safetensors file starts with the header's length (8 bytes) and a JSON header; export the file again.",
  },
  {
    name: "a safetensors header that lies about its data",
    args: ["inspect", "beyond.safetensors"],
    code: "format",
    text: 'FOLDER/beyond.safetensors is not a valid safetensors file: tensor "w" ends at byte 95, but the file has 79 bytes. A safetensors file starts with the header\'s length (8 bytes) and a JSON header; export the file again.',
  },
  {
    name: "missing external data",
    args: ["apply", "missing-data.onnx", "-t", "quantize.weightOnly", "-o", "o.onnx"],
    code: "format",
    text: 'FOLDER/missing-data.onnx: the data of tensor "fc1.weight" is in "weights.bin", which does not exist. Put "weights.bin" beside the model; both files belong together.',
  },
  {
    name: "external data outside the model's folder",
    args: ["inspect", "escaping.onnx"],
    code: "format",
    text: 'FOLDER/escaping.onnx: tensor "fc1.weight" points outside the model\'s folder ("../secret.bin"). External data must be a plain file in the model\'s own folder or below it.',
  },
  {
    name: "data of the wrong shape",
    args: ["eval", "model.onnx", "--data", "dataset.json"],
    code: "data",
    text: 'FOLDER/x.npy: samples for input "x" have shape [32]; the model takes [64] (its input is [batch, 64]). Set "layout" or "reshape" for this input, or use data made for this model.',
  },
  {
    name: "missing data",
    args: ["eval", "model.onnx", "--data", "gone.json"],
    code: "data",
    text: "FOLDER/gone.json does not exist. Check the path.",
  },
  {
    name: "no data",
    args: ["eval", "model.onnx"],
    code: "usage",
    text: /^error: A model's quality cannot be measured without data\. Give --data /,
  },
  {
    name: "an unknown technique",
    args: ["plan", "model.onnx", "-t", "quantize.weightonly"],
    code: "param",
    text: /^error: There is no technique "quantize\.weightonly"\. Did you mean "quantize\.weightOnly"\? Known: .*graph\.clean/,
  },
  {
    name: "an unknown parameter",
    args: [...APPLY, "-p", "bit=4", "-o", "o.onnx"],
    code: "param",
    text: /^error: quantize\.weightOnly has no parameter "bit"\. Did you mean "bits"\? Known: bits, block, /,
  },
  {
    name: "a parameter out of range",
    args: [...APPLY, "-p", "bits=5", "-o", "o.onnx"],
    code: "param",
    text: "quantize.weightOnly: bits is 5. It must be one of 8, 4, 2.",
  },
  {
    name: "a recipe with an unknown technique",
    args: ["apply", "model.onnx", "bad.lathe.json", "-o", "o.onnx"],
    code: "param",
    text: /^error: There is no technique "graph\.cleam"\. Did you mean "graph\.clean"\?/,
  },
  {
    name: "a scope without units",
    args: ["plan", "model.onnx", "-t", "quantize.weightOnly", "--scope", "nothing*"],
    code: "param",
    text: 'quantize.weightOnly: no unit matches the scope "nothing*". Run `lathe plan` without a scope to see the names of the units.',
  },
  {
    name: "an output folder that is a file",
    args: [...APPLY, "-o", "taken.onnx/o.onnx"],
    code: "engine",
    text: "Nothing can be written to FOLDER/taken.onnx (it is not a folder). Choose another output folder or change its permissions.",
  },
  {
    name: "an output folder that does not exist",
    args: [...APPLY, "-o", "gone/o.onnx"],
    code: "engine",
    text: "Nothing can be written to FOLDER/gone (it does not exist). Choose another output folder or change its permissions.",
  },
  {
    name: "an output that is the input",
    args: [...APPLY, "-o", "./model.onnx"],
    code: "engine",
    text: "The output ./model.onnx is the input. Choose another output, or pass --force to replace the input once the result is complete.",
  },
  {
    name: "an output that exists",
    args: [...APPLY, "-o", "taken.onnx"],
    code: "engine",
    text: "taken.onnx exists already. Choose another output, or pass --force to replace it.",
  },
  {
    name: "an output of another format",
    args: [...APPLY, "-o", "o.safetensors"],
    code: "engine",
    text: "o.safetensors does not end in .onnx, the format of the input. A change keeps the format of its input; give the output the same extension.",
  },
  {
    name: "no output",
    args: APPLY,
    code: "usage",
    text: "`lathe apply` needs an output, -o OUT. Usage: lathe apply MODEL (-t ID [-p KEY=VALUE]…)… | --preset ID | RECIPE -o OUT",
  },
  {
    name: "an unknown command",
    args: ["aply", "model.onnx"],
    code: "usage",
    text: 'There is no command "aply". Did you mean "apply"? Known: inspect, list, analyze, plan, apply, optimize, diff, explain, eval, bench, validate, check, convert, extract.',
  },
];

describe("bad input", () => {
  for (const { name, args, code, text } of CASES)
    it(name, async () => {
      const listing = here.listing();
      const plain = await here.lathe(...args);
      const shown = plain.stderr.replaceAll(here.folder, "FOLDER");
      if (typeof text === "string") assert.equal(shown, `error: ${text}\n`);
      else assert.match(shown, text);
      assert.equal(shown.trimEnd().split("\n").length, 1, "one paragraph");
      assert.equal(plain.stdout, "");
      assert.equal(plain.code, 2);

      const asJson = await here.lathe(...args, "--json");
      assert.equal(asJson.code, 2);
      const { error } = JSON.parse(asJson.stdout) as { error: Record<string, string | null> };
      assert.deepEqual(Object.keys(error), ["code", "message", "where", "hint"]);
      assert.equal(error["code"], code);
      assert.ok(error["hint"], "a failure says what would be right");
      assert.equal(`error: ${error["message"]} ${error["hint"]}`, plain.stderr.trimEnd());
      assert.equal(asJson.stderr, plain.stderr);
      assert.deepEqual(here.listing(), listing, "nothing is written");
    });

  it("an output folder that may not be written to", async (t) => {
    const folder = path.join(here.folder, "locked");
    mkdirSync(folder);
    chmodSync(folder, 0o555);
    // Root may write anywhere, so it becomes "nobody" for this.
    const user = process.getuid?.() === 0 ? NOBODY : null;
    if (user !== null) here.share(user);
    const { code, stderr } = await here.startAs(user, ...APPLY, "-o", "locked/o.onnx").done;
    if (/EACCES.*cli\.js|Cannot find module/.test(stderr))
      return t.skip("another user may not read this checkout");
    assert.equal(
      stderr,
      "error: Nothing can be written to FOLDER/locked (EACCES). Choose another output folder or change its permissions.\n".replace(
        "FOLDER",
        here.folder,
      ),
    );
    assert.equal(code, 2);
  });
});
