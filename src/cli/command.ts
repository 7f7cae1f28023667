/** What a command is. Commands print nothing: they answer, and `cli.ts` prints. */
import path from "node:path";
import type { EngineClient } from "../client/index.ts";
import type { AnalyzerEntry, CatalogEntry } from "../shared/protocol.ts";
import type { Signal } from "../shared/task.ts";
import type { Arguments } from "./arguments.ts";
import type { OptionName } from "./options.ts";
import type { Style } from "./style.ts";

export interface Context {
  readonly client: EngineClient;
  readonly catalog: readonly CatalogEntry[];
  readonly analyzers: readonly AnalyzerEntry[];
  /** "Lathe 0.1.0". */
  readonly tool: string;
  /** Aborted by Ctrl-C. */
  readonly signal: Signal;
  readonly progress: (fraction: number, message: string) => void;
  /** Text of the webview's bundle, for HTML reports. */
  readonly webviewBundle: () => string;
}

export interface Outcome {
  /** What `--json` prints. */
  readonly json: unknown;
  /** What people read. */
  readonly text: (style: Style) => string;
  /** 1: a gate or the result failed. */
  readonly exitCode: 0 | 1;
}

export interface Command {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** The arguments as the usage line shows them. */
  readonly usage: string;
  /** Fewest and most positional arguments. */
  readonly positionals: readonly [min: number, max: number];
  readonly options: readonly OptionName[];
  /** Further paragraphs for the help. */
  readonly details: readonly string[];
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  run(positionals: readonly string[], args: Arguments, context: Context): Promise<Outcome>;
}

/** Options of a call to the engine that belong to the whole command. */
export const callOptions = (
  context: Context,
): { readonly signal: Signal; readonly onProgress: Context["progress"] } => ({
  signal: context.signal,
  onProgress: context.progress,
});

/** The same for one of several calls in a row: its progress is the part from `from` to `to`. */
export const partOf = (
  context: Context,
  from: number,
  to: number,
): ReturnType<typeof callOptions> => ({
  signal: context.signal,
  onProgress: (fraction, message) => context.progress(from + fraction * (to - from), message),
});

/** Absolute path of `--data`, or null. */
export function dataPath(args: Arguments): string | null {
  const data = args.text("data");
  return data === null ? null : path.resolve(data);
}
