/**
 * A webview outlives its pages: VS Code throws the page of a hidden tab away and loads it anew. Each
 * page numbers its calls from 1, so each gets a server of its own, and what an earlier page asked is
 * never answered to the next.
 */
import type { HostEvents, HostState, WebviewApi } from "../shared/protocol.ts";
import { serve, type Handlers, type Port, type Server } from "../shared/wire.ts";

export interface Page {
  /** False once the page was replaced or closed. */
  readonly alive: boolean;
}

interface Session extends Page {
  readonly server: Server<HostEvents>;
  receive(frame: unknown): void;
  close(reason: string): void;
}

/**
 * Answers the pages behind `port`, one after the other; a page begins with its call of `ready`.
 * @param handlers made for each page.
 * @param now clock in ms for the wire's progress.
 */
export function servePages(
  port: Port,
  handlers: (page: Page) => Handlers<WebviewApi>,
  now: () => number,
): { emit(state: HostState): void } {
  let current: Session | null = null;
  port.onMessage((frame) => {
    if (isReadyCall(frame)) {
      current?.close("the page was loaded again");
      current = startSession(port, handlers, now);
    }
    current?.receive(frame);
  });
  port.onClose((reason) => current?.close(reason));
  return { emit: (state) => current?.server.emit("state", state) };
}

function startSession(
  port: Port,
  handlers: (page: Page) => Handlers<WebviewApi>,
  now: () => number,
): Session {
  let alive = true;
  const received: ((frame: unknown) => void)[] = [];
  const closed: ((reason: string) => void)[] = [];
  const own: Port = {
    post: (frame) => {
      if (alive) port.post(frame);
    },
    onMessage: (listener) => void received.push(listener),
    onClose: (listener) => void closed.push(listener),
  };
  const page: Page = {
    get alive() {
      return alive;
    },
  };
  const server = serve<WebviewApi, HostEvents>(own, handlers(page), now);
  return {
    server,
    get alive() {
      return alive;
    },
    receive: (frame) => received.forEach((listener) => listener(frame)),
    close: (reason) => {
      alive = false;
      closed.forEach((listener) => listener(reason));
    },
  };
}

const isReadyCall = (frame: unknown): boolean =>
  typeof frame === "object" &&
  frame !== null &&
  "kind" in frame &&
  frame.kind === "call" &&
  "method" in frame &&
  frame.method === "ready";
