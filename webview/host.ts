/** The page's side of the wire to the extension host, and what survives a hidden tab. */
import type { HostEvents, WebviewApi } from "../src/shared/protocol.ts";
import { connect, type Client, type Port } from "../src/shared/wire.ts";

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare global {
  function acquireVsCodeApi(): VsCodeApi;
}

export interface Host {
  readonly client: Client<WebviewApi, HostEvents>;
  /** What was remembered under `key` in this tab, if it passes `check`. */
  recall<T>(key: string, check: (value: unknown) => value is T): T | null;
  remember(key: string, value: unknown): void;
}

let host: Host | null = null;

/** The one connection of this page; `acquireVsCodeApi` may be called only once. */
export function getHost(): Host {
  host ??= makeHost(acquireVsCodeApi());
  return host;
}

function makeHost(api: VsCodeApi): Host {
  const port: Port = {
    post: (frame) => api.postMessage(frame),
    onMessage: (listener) =>
      window.addEventListener("message", (event: MessageEvent<unknown>) => {
        if (isFrame(event.data)) listener(event.data);
      }),
    // The page lives no longer than its host.
    onClose: () => undefined,
  };
  const stored = api.getState();
  const memory: Record<string, unknown> = isRecord(stored) ? { ...stored } : {};
  return {
    client: connect<WebviewApi, HostEvents>(port),
    recall: (key, check) => {
      const value = memory[key];
      return check(value) ? value : null;
    },
    remember: (key, value) => {
      memory[key] = value;
      api.setState(memory);
    },
  };
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const isString = (value: unknown): value is string => typeof value === "string";
export const isNumber = (value: unknown): value is number => typeof value === "number";

const isFrame = (value: unknown): boolean => isRecord(value) && isString(value["kind"]);
