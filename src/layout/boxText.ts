/** Sizes of boxes from their texts, without a font: wide enough for the wider ones of usual fonts. */

/** Texts of a box, which decide its size. */
export interface BoxText {
  readonly title: string;
  readonly detail: string;
}
/** Advance of an average character in the title (12 px, half bold) and in other lines (11 px), in px. */
const TITLE_CHAR = 8.4;
const DETAIL_CHAR = 6.9;
const PADDING = 20;
const MIN_WIDTH = 56;
const MAX_WIDTH = 230;
const TITLE_HEIGHT = 28;
const LINE_HEIGHT = 15;
const MAX_NAMED = 3;
/** Lines of values that come or go by name stand below the detail. */
export function namedLines(named: readonly string[], users: number): string[] {
  const shown = named.slice(0, MAX_NAMED).map((name) => `↥ ${name}`);
  if (named.length > MAX_NAMED) shown.push(`↥ ${named.length - MAX_NAMED} more`);
  if (users > 0) shown.push(`↧ ${users} by name`);
  return shown;
}
/** Average characters that a text is wide. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text)
    width += "iljftr.,:'|[]() ".includes(char)
      ? 0.7
      : "mwMW×↥↧@%".includes(char)
        ? 1.3
        : char >= "A" && char <= "Z"
          ? 1.1
          : 1;
  return width;
}

/** Before the title of a group. */
const CHEVRON = 14;

export interface BoxSize {
  readonly width: number;
  readonly height: number;
}

/** Size of a node or a closed group with its lines of named values, in px. */
export function closedSize(
  { title, detail }: BoxText,
  named: readonly string[],
  group: boolean,
): BoxSize {
  const lines = detail === "" ? named : [detail, ...named];
  const text = Math.max(
    widthOf(title) * TITLE_CHAR + (group ? CHEVRON : 0),
    ...lines.map((line) => widthOf(line) * DETAIL_CHAR),
  );
  return {
    width: Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, text + PADDING))),
    height: TITLE_HEIGHT + lines.length * LINE_HEIGHT,
  };
}

/** Title and count stand in one line, and a count that is cut says nothing. */
const MAX_TITLE_WIDTH = 360;

/** Width that the title of an open group's frame asks for, in px. */
export const titleWidth = ({ title, detail }: BoxText): number =>
  Math.min(MAX_TITLE_WIDTH, (widthOf(title) + widthOf(detail) + 5) * TITLE_CHAR);
