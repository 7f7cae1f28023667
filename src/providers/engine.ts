/** The engine as the providers see it: one client, replaced as a whole when its settings change. */
import type { EngineClient } from "../client/index.ts";

/** What documents and commands need of the client; tests give their own. */
export type Engine = Pick<EngineClient, "ask" | "open" | "job" | "release">;

export interface EngineHost extends Engine {
  restart(): Promise<void>;
  clearCache(): Promise<void>;
  /** Ends the client and starts one with the settings as they are now. */
  replace(): void;
  dispose(): void;
}

/** @param create reads the settings; called at the first use and after each `replace`. */
export function createEngineHost(create: () => EngineClient): EngineHost {
  let current: EngineClient | null = null;
  const client = (): EngineClient => (current ??= create());
  const end = (): void => {
    current?.dispose();
    current = null;
  };
  return {
    ask: (method, params, options) => client().ask(method, params, options),
    open: (path) => client().open(path),
    job: (method, params, options) => client().job(method, params, options),
    release: (keptBase) => client().release(keptBase),
    restart: () => client().restart(),
    clearCache: () => client().clearCache(),
    replace: end,
    dispose: end,
  };
}
