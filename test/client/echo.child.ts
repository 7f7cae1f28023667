/** A child that answers over process messages, for tests of the wire across a real process. */
import { serve } from "../../src/shared/wire.ts";

export interface EchoApi {
  echo(p: { value: unknown }): unknown;
  /** Never answers by itself; busy children do not even hear a cancel. */
  hang(p: { busy: boolean }): never;
  die(p: { signal: NodeJS.Signals }): never;
}

serve<EchoApi>(
  {
    post: (frame) => process.send?.(frame),
    onMessage: (listener) => process.on("message", listener),
    onClose: (listener) => process.on("disconnect", () => listener("disconnected")),
  },
  {
    echo: ({ value }) => value,
    async hang({ busy }) {
      while (busy);
      return new Promise<never>(() => setInterval(() => {}, 1000));
    },
    die: ({ signal }) => {
      console.error("last words");
      process.kill(process.pid, signal);
      return new Promise<never>(() => setInterval(() => {}, 1000));
    },
  },
  () => performance.now(),
);
