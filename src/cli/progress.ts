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
  /** Calls once after so many milliseconds; gives what calls it off. */
  later(act: () => void, ms: number): () => void;
}

/** What is told before `QUIET_MS` shows then: the next word of a long step may be a minute away. */
export function progressView(sink: Sink): ProgressView {
  const start = sink.now();
  const view = sink.isTerminal ? bar(sink) : lines(sink);
  let callOff: (() => void) | null = null;
  let show = (): void => undefined;
  return {
    show: (fraction, message) => {
      const left = QUIET_MS - (sink.now() - start);
      show = () => view.show(fraction, message);
      if (left <= 0) show();
      else callOff ??= sink.later(() => show(), left);
    },
    clear: () => {
      callOff?.();
      view.clear();
    },
  };
}

const percent = (fraction: number): string =>
  `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)
    .toString()
    .padStart(3)} %`;

function bar(sink: Sink): ProgressView {
  let shown = false;
  return {
    show: (fraction, message) => {
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
  let last = Number.NEGATIVE_INFINITY;
  let lastText = "";
  return {
    show: (fraction, message) => {
      const now = sink.now();
      const text = `${percent(fraction)}  ${message}`.trimEnd();
      if (now - last < LINE_INTERVAL_MS || text === lastText) return;
      [last, lastText] = [now, text];
      sink.write(`${text}\n`);
    },
    clear: () => undefined,
  };
}
