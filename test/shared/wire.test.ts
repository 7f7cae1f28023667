import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cancelled, FormatError, LatheError, formatErrors } from "../../src/shared/errors.ts";
import { connect, serve, type Port } from "../../src/shared/wire.ts";

interface Api {
  add(p: { a: number; b: number }): number;
  bad(p: { path: string }): never;
  bug(p: { x: number }): never;
  slow(p: { steps: number }): number;
}

/** Two ends of one in-process connection; messages arrive in later turns, as between processes. */
function portPair(): { near: Port; far: Port; close(reason: string): void } {
  const side = () => ({
    message: [] as ((frame: unknown) => void)[],
    close: [] as ((reason: string) => void)[],
  });
  const a = side();
  const b = side();
  let open = true;
  const port = (own: ReturnType<typeof side>, other: ReturnType<typeof side>): Port => ({
    post: (frame) => {
      const copy: unknown = structuredClone(frame);
      setImmediate(() => {
        if (open) other.message.forEach((listener) => listener(copy));
      });
    },
    onMessage: (listener) => own.message.push(listener),
    onClose: (listener) => own.close.push(listener),
  });
  return {
    near: port(a, b),
    far: port(b, a),
    close(reason) {
      open = false;
      for (const listener of [...a.close, ...b.close]) listener(reason);
    },
  };
}

function start() {
  const ports = portPair();
  const seen = { aborted: false };
  const server = serve<Api, { tick: number }>(
    ports.far,
    {
      add: ({ a, b }) => a + b,
      bad: ({ path }) => {
        throw formatErrors.lfsPointer(path);
      },
      bug: () => {
        throw new TypeError("x is not a function");
      },
      async slow({ steps }, task) {
        for (let i = 0; i < steps; i++) {
          if (task.signal.aborted) {
            seen.aborted = true;
            throw new Cancelled();
          }
          task.progress(i / steps, `step ${i}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return steps;
      },
    },
    () => performance.now(),
  );
  return { ports, server, seen, client: connect<Api, { tick: number }>(ports.near) };
}

describe("wire", () => {
  it("answers calls, in any order", async () => {
    const { client } = start();
    assert.deepEqual(
      await Promise.all([client.call("add", { a: 1, b: 2 }), client.call("add", { a: 3, b: 4 })]),
      [3, 7],
    );
    assert.equal(client.pending, 0);
  });

  it("brings a failure across with its class, place and hint", async () => {
    const { client } = start();
    await assert.rejects(client.call("bad", { path: "m.onnx" }), (error) => {
      assert.ok(error instanceof FormatError);
      assert.equal(error.failure.where, "m.onnx");
      assert.match(error.failure.hint ?? "", /git lfs pull/);
      return true;
    });
  });

  it("marks a defect of ours as internal, with its stack", async () => {
    const { client } = start();
    await assert.rejects(client.call("bug", { x: 1 }), (error) => {
      assert.ok(error instanceof LatheError);
      assert.equal(error.failure.code, "internal");
      assert.match(error.failure.where ?? "", /TypeError/);
      return true;
    });
  });

  it("fails a call of a method that is not there", async () => {
    const { client } = start();
    await assert.rejects(client.call("nope" as "add", { a: 1, b: 1 }), /unknown method nope/);
  });

  it("reports progress that never goes back and is throttled", async () => {
    const { client } = start();
    const fractions: number[] = [];
    await client.call("slow", { steps: 60 }, { onProgress: (f) => fractions.push(f) });
    assert.deepEqual(
      fractions,
      [...fractions].sort((a, b) => a - b),
    );
    assert.ok(fractions.length >= 2 && fractions.length <= 10, `${fractions.length} messages`);
  });

  it("cancels: the handler hears of it and the caller gets Cancelled", async () => {
    const { client, seen } = start();
    const abort = new AbortController();
    const call = client.call("slow", { steps: 1000 }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(call, Cancelled);
    assert.equal(seen.aborted, true);
  });

  it("refuses a call that is cancelled before it starts", async () => {
    const { client } = start();
    await assert.rejects(
      client.call("add", { a: 1, b: 1 }, { signal: AbortSignal.abort() }),
      Cancelled,
    );
  });

  it("rejects everything in flight, and later calls, when the other side is gone", async () => {
    const { client, ports } = start();
    const call = client.call("slow", { steps: 1000 });
    setTimeout(() => ports.close("SIGKILL"), 10);
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof LatheError);
      assert.equal(error.failure.code, "gone");
      assert.match(error.message, /SIGKILL/);
      return true;
    });
    await assert.rejects(client.call("add", { a: 1, b: 1 }), { message: /ended during add/ });
    assert.equal(client.pending, 0);
  });

  it("delivers events", async () => {
    const { client, server } = start();
    const heard = new Promise<number>((resolve) => client.on("tick", resolve));
    server.emit("tick", 7);
    assert.equal(await heard, 7);
  });
});
