import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { dataIdentity } from "../../src/engine/dataIdentity.ts";
import { tempFolder } from "../helpers/temp.ts";

test("data in one file, in a folder or listed by a JSON file has an identity of its own", (t) => {
  const folder = tempFolder(t);
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const one = dataIdentity(write("samples.csv", "a,b\n1,2\n"));
  assert.equal(dataIdentity(path.join(folder, "samples.csv")), one);
  assert.notEqual(dataIdentity(write("samples.csv", "a,b\n1,2,3\n")), one);
  assert.notEqual(dataIdentity(write("other.npz", "x")), one);
  assert.equal(typeof dataIdentity(path.join(folder, "missing")), "string");

  mkdirSync(path.join(folder, "set"));
  const listed = write("set/calib.npy", "1");
  write("set/dataset.json", '{"inputs": {"*": "calib.npy"}}');
  const whole = dataIdentity(path.join(folder, "set"));
  const json = dataIdentity(path.join(folder, "set", "dataset.json"));
  utimesSync(listed, 1, 1);
  assert.notEqual(dataIdentity(path.join(folder, "set")), whole);
  assert.notEqual(dataIdentity(path.join(folder, "set", "dataset.json")), json);
});
