#!/usr/bin/env node
/**
 * The command line: arguments in, text or JSON out, exit code. The only caller of `process.exit`;
 * commands answer and print nothing themselves.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { createClient } from "./client/index.ts";
import { checkOptions, readArguments, type Arguments } from "./cli/arguments.ts";
import type { Command, Outcome } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { readWebviewBundle } from "./cli/compare.ts";
import { exitCodeOf, failureJson, failureText, type ExitCode } from "./cli/failure.ts";
import { commandHelp, overview } from "./cli/help.ts";
import { COMMON_OPTIONS } from "./cli/options.ts";
import { checkPositionals } from "./cli/positionals.ts";
import { progressView, SILENT, type ProgressView } from "./cli/progress.ts";
import { scratchFolder } from "./cli/scratchFolder.ts";
import { styleFor } from "./cli/style.ts";
import analyzers from "./shared/analyzers.json";
import catalog from "./shared/catalog.json";
import { Cancelled, toFailure, usageErrors } from "./shared/errors.ts";
import type { AnalyzerEntry, CatalogEntry } from "./shared/protocol.ts";

/** Their type as read from JSON is too narrow for parameters that are unions. */
const CATALOG: unknown = catalog;
const ANALYZERS: unknown = analyzers;

/** The end of the engine's standard error that is shown when it dies. */
const STDERR_TAIL_CHARS = 4000;
/** Longer than the client gives a job to stop by itself, so that its own clean-up comes first. */
const CANCEL_MS = 1500;

const outStyle = styleFor(process.stdout.isTTY, process.env);
const errStyle = styleFor(process.stderr.isTTY, process.env);

async function main(argv: readonly string[]): Promise<ExitCode> {
  // Known before the arguments are, since they may be what is wrong.
  const json = argv.includes("--json");
  try {
    const args = readArguments(argv);
    if (args.flag("version")) return await print(version(), 0);
    const [name, ...positionals] = args.positionals;
    if (name === "help" || args.flag("help"))
      return await help(name === "help" ? positionals[0] : name);
    const command = commandNamed(name);
    checkOptions(command.name, args, [...command.options, ...COMMON_OPTIONS]);
    checkPositionals(command, positionals);
    const { json: value, text, exitCode } = await run(command, positionals, args);
    return await print(json ? JSON.stringify(value) : text(outStyle), exitCode);
  } catch (error) {
    const failure = toFailure(error);
    process.stderr.write(`${failureText(failure, errStyle)}\n`);
    const exitCode = exitCodeOf(failure);
    return json ? print(JSON.stringify(failureJson(failure)), exitCode) : exitCode;
  }
}

const names = COMMANDS.map((command) => command.name);

function commandNamed(name: string | undefined): Command {
  if (name === undefined)
    throw usageErrors.usage(
      "No command is given.",
      `Known: ${names.join(", ")}. See \`lathe --help\`.`,
    );
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) throw usageErrors.unknownCommand(name, names);
  return command;
}

const help = (name: string | undefined): Promise<ExitCode> =>
  print(
    name === undefined ? overview(COMMANDS, outStyle) : commandHelp(commandNamed(name), outStyle),
    0,
  );

async function run(
  command: Command,
  positionals: readonly string[],
  args: Arguments,
): Promise<Outcome> {
  const { signal, cancelled } = interruptible(() => client.dispose());
  const progress = args.flag("quiet") ? SILENT : standardError();
  const lathe = version();
  const client = createClient({
    enginePath: path.join(__dirname, "engine.cjs"),
    scratchDir: scratchFolder(process.platform, process.env, homedir()),
    threads: args.number("threads"),
    version: lathe,
    allowJobs: () => true,
  });
  let stderrTail = "";
  client.onStderr((text) => (stderrTail = (stderrTail + text).slice(-STDERR_TAIL_CHARS)));
  try {
    const work = command.run(positionals, args, {
      client,
      catalog: CATALOG as readonly CatalogEntry[],
      analyzers: ANALYZERS as readonly AnalyzerEntry[],
      tool: `Lathe ${lathe}`,
      signal,
      progress: (fraction, message) => progress.show(fraction, message),
      webviewBundle: () => readWebviewBundle(path.join(__dirname, "webview.js")),
    });
    return await Promise.race([work, cancelled]);
  } catch (error) {
    const { code } = toFailure(error);
    progress.clear();
    if ((code === "gone" || code === "internal") && stderrTail !== "")
      process.stderr.write(`${errStyle.dim(stderrTail.trimEnd())}\n`);
    throw error;
  } finally {
    progress.clear();
    client.dispose();
  }
}

/**
 * Ctrl-C cancels, and the terminal is free a moment later whatever the engine does; a second one
 * does not wait for anything.
 * @param end ends the engine's processes.
 */
function interruptible(end: () => void): {
  readonly signal: AbortSignal;
  readonly cancelled: Promise<never>;
} {
  const cancel = new AbortController();
  const cancelled = new Promise<never>((_, reject) => {
    const interrupted = (): void => {
      if (cancel.signal.aborted) {
        end();
        process.exit(130);
      }
      cancel.abort();
      setTimeout(() => reject(new Cancelled()), CANCEL_MS);
    };
    process.on("SIGINT", interrupted);
    process.on("SIGTERM", interrupted);
  });
  return { signal: cancel.signal, cancelled };
}

function standardError(): ProgressView {
  return progressView({
    isTerminal: process.stderr.isTTY,
    columns: process.stderr.columns,
    write: (text) => void process.stderr.write(text),
    now: () => performance.now(),
    later: (act, ms) => {
      const timer = setTimeout(act, ms).unref();
      return () => clearTimeout(timer);
    },
  });
}

/** Of package.json, which lies beside the bundles' folder in a checkout and when installed. */
function version(): string {
  const manifest = JSON.parse(readFileSync(path.join(__dirname, "..", "package.json"), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
}

/** Waits until the text has left this process: exiting earlier would cut a pipe short. */
function print(text: string, exitCode: ExitCode): Promise<ExitCode> {
  return new Promise((resolve) => process.stdout.write(`${text}\n`, () => resolve(exitCode)));
}

// `lathe … | head` closes the pipe early; that is no failure.
process.stdout.on("error", () => process.exit(0));
void main(process.argv.slice(2)).then((exitCode) => process.exit(exitCode));
