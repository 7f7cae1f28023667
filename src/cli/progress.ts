/** Progress on standard error: a bar on a terminal, lines otherwise. */

export interface ProgressView {
  show(fraction: number, message: string): void;
  /** Removes the bar, so that what follows starts on an empty line. */
  clear(): void;
}

export const SILENT: ProgressView = { show: () => undefined, clear: () => undefined };

const BAR_COLUMNS = 24;
/** Work that ends sooner says nothing. */
const QUIET_MS = 400;
/** Lines in a log: at most one per this time. */
const LINE_INTERVAL_MS = 2000;

interface Sink {
  readonly isTerminal: boolean;
  readonly columns: number;
  write(text: string): void;
  now(): number;
}

export const progressView = (sink: Sink): ProgressView =>
  sink.isTerminal ? bar(sink) : lines(sink);

const percent = (fraction: number): string =>
  `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)
    .toString()
    .padStart(3)} %`;

function bar(sink: Sink): ProgressView {
  const start = sink.now();
  let shown = false;
  return {
    show: (fraction, message) => {
      if (sink.now() - start < QUIET_MS) return;
      const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_COLUMNS);
      const text = `${"█".repeat(full)}${"░".repeat(BAR_COLUMNS - full)} ${percent(fraction)}  ${message}`;
      // One column less than the terminal has: a full line would wrap and could not be redrawn.
      sink.write(`\r\u001b[K${[...text].slice(0, sink.columns - 1).join("")}`);
      shown = true;
    },
    clear: () => {
      if (shown) sink.write("\r\u001b[K");
      shown = false;
    },
  };
}

function lines(sink: Sink): ProgressView {
  const start = sink.now();
  let last = Number.NEGATIVE_INFINITY;
  let lastText = "";
  return {
    show: (fraction, message) => {
      const now = sink.now();
      const text = `${percent(fraction)}  ${message}`.trimEnd();
      if (now - start < QUIET_MS || now - last < LINE_INTERVAL_MS || text === lastText) return;
      [last, lastText] = [now, text];
      sink.write(`${text}\n`);
    },
    clear: () => undefined,
  };
}
