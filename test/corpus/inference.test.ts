/** The rules of shape inference against every expected output of ONNX's own test collection. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { openModel } from "../../src/engine/files.ts";
import { verdictOf } from "../helpers/verdict.ts";
import { checkInference, plus, ZERO, type InferenceCheck } from "./inference.ts";

const ARCHIVE = path.resolve("../shared/corpus/onnx-backend.tar.gz");
const KINDS = ["node", "simple", "pytorch-operator", "pytorch-converted"];

/** Operators whose sizes follow from the elements of their inputs in ways that no rule computes. */
const BY_DATA =
  /image_decoder|^loop|nonmaxsuppression|range_bfloat16|string_split|strn|unique|sequence_model1/;

describe(
  "inference over the corpus",
  { skip: !existsSync(ARCHIVE) && "no ../shared/corpus" },
  () => {
    let root = "";
    before(() => {
      root = mkdtempSync(path.join(tmpdir(), "lathe-corpus-"));
      execFileSync("tar", ["xzf", ARCHIVE, "-C", root, "--strip-components=1"]);
    });
    after(() => rmSync(root, { recursive: true, force: true }));

    const check = (withData: boolean, skip?: RegExp): InferenceCheck => {
      let all = ZERO;
      for (const kind of KINDS)
        for (const name of readdirSync(path.join(root, kind))) {
          const folder = path.join(root, kind, name);
          const file = path.join(folder, "model.onnx");
          if (!existsSync(file) || skip?.test(name.replace(/^test_/, ""))) continue;
          const found = checkInference(openModel(file), folder, withData);
          const named = (text: string): string => `${name}: ${text}`;
          all = plus(all, {
            ...found,
            mistakes: found.mistakes.map(named),
            unknown: found.unknown.map(named),
          });
        }
      return all;
    };

    it("says nothing false, from declared inputs alone", () => {
      const { mistakes, outputs, known } = check(false);
      assert.deepEqual(mistakes, []);
      // The others are told by the elements of an input: the target of a Reshape, the axes of a sum.
      assert.ok(known >= 1200, `${known} of ${outputs} outputs are known`);
    });

    it("finds nothing to say against models that the ONNX checker accepts", () => {
      for (const kind of KINDS)
        for (const name of readdirSync(path.join(root, kind))) {
          const file = path.join(root, kind, name, "model.onnx");
          if (!existsSync(file)) continue;
          const { full, findings } = verdictOf(file);
          assert.ok(full, `${name}: ${findings.map(({ message }) => message).join(" ")}`);
        }
    });

    it("knows every size that follows from small inputs too", () => {
      const { mistakes, unknown } = check(true, BY_DATA);
      assert.deepEqual([...mistakes, ...unknown], []);
    });
  },
);
