/** Colours and fonts of the drawing, read from the theme's variables once per theme. */

export interface Palette {
  readonly background: string;
  readonly text: string;
  readonly quiet: string;
  readonly edge: string;
  readonly fill: string;
  /** Boxes with weights, and closed groups. */
  readonly strongFill: string;
  readonly border: string;
  readonly frame: string;
  readonly focus: string;
  readonly accent: string;
  readonly badge: string;
  readonly badgeText: string;
  readonly highContrast: boolean;
  readonly family: string;
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const read = (name: string, otherwise: string): string =>
    style.getPropertyValue(name).trim() || otherwise;
  const text = read("--vscode-foreground", "#808080");
  const background = read("--vscode-editor-background", "#ffffff");
  const contrast = read("--vscode-contrastBorder", "");
  const mix = (share: number): string => mixed(text, background, share);
  return {
    background,
    text,
    quiet: read("--vscode-descriptionForeground", text),
    edge: contrast ? text : mix(0.5),
    fill: contrast ? background : mix(0.06),
    strongFill: contrast ? background : mix(0.16),
    border: contrast || mix(0.42),
    frame: contrast || mix(0.3),
    focus: read("--vscode-focusBorder", text),
    accent: read("--vscode-textLink-foreground", text),
    badge: read("--vscode-badge-background", text),
    badgeText: read("--vscode-badge-foreground", background),
    highContrast: contrast !== "",
    family: read("--vscode-font-family", "sans-serif"),
  };
}

/** `share` of one colour over another; both as the theme writes them. */
function mixed(over: string, under: string, share: number): string {
  const a = channels(over);
  const b = channels(under);
  if (!a || !b) return share > 0.25 ? over : under;
  return `rgb(${a.map((value, i) => Math.round(value * share + (b[i] ?? 0) * (1 - share))).join(", ")})`;
}

function channels(colour: string): number[] | null {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(colour);
  if (hex) return hex.slice(1, 4).map((part) => parseInt(part, 16));
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])/i.exec(colour);
  if (short) return short.slice(1, 4).map((part) => parseInt(part + part, 16));
  const rgb = /^rgba?\(([^)]*)\)/.exec(colour);
  const numbers = rgb?.[1]
    ?.split(/[\s,/]+/)
    .map(Number)
    .slice(0, 3);
  return numbers?.every((value) => Number.isFinite(value)) ? numbers : null;
}
