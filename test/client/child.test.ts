import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, it } from "node:test";
import { forkChild, type Child } from "../../src/client/child.ts";
import { LatheError } from "../../src/shared/errors.ts";
import { connect } from "../../src/shared/wire.ts";
import type { EchoApi } from "./echo.child.ts";

const children: Child[] = [];
function start() {
  const heard: string[] = [];
  const child = forkChild({
    enginePath: path.resolve("out/test/test/client/echo.child.mjs"),
    config: {},
    onStderr: (text) => heard.push(text),
  });
  children.push(child);
  return { child, heard, client: connect<EchoApi>(child.port) };
}
after(() => children.forEach((child) => child.kill()));
const gone =
  (pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof LatheError);
    assert.equal(error.failure.code, "gone");
    assert.match(error.message, pattern);
    return true;
  };

describe("wire over a real child", () => {
  it("brings values across unchanged, non-finite numbers and typed arrays included", async () => {
    const { client } = start();
    const value = { a: [NaN, -Infinity], b: new Float32Array([1.5]), c: null };
    assert.deepEqual(await client.call("echo", { value }), value);
  });
  it("fails the call in flight when the child is killed in the middle of it", async () => {
    const { client, child } = start();
    await client.call("echo", { value: 1 });
    const call = client.call("hang", { busy: true });
    setTimeout(() => child.kill(), 50);
    await assert.rejects(call, gone(/SIGKILL/));
  });
  it("tells what the child said last when it crashes by itself", async () => {
    const { client, heard } = start();
    await assert.rejects(client.call("die", { signal: "SIGTERM" }), gone(/SIGTERM: last words/));
    assert.match(heard.join(""), /last words/);
  });
  it("fails at once when there is no such program", async () => {
    const child = forkChild({
      enginePath: path.resolve("out/none.cjs"),
      config: {},
      onStderr: () => {},
    });
    await assert.rejects(
      connect<EchoApi>(child.port).call("echo", { value: 1 }),
      gone(/exit code 1/),
    );
  });
});
