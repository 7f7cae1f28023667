/** Long technical names: the beginning gives way to an ellipsis, the end, which tells them apart, stays. */
import { css, html, type TemplateResult } from "lit";

/** Shorter names are shown whole. */
const TAIL_LENGTH = 14;

/** Line breaks and other control characters as their pictures: a name stays on its line, and nothing of it is unseen. */
export const pictured = (name: string): string =>
  name.replace(/\p{Cc}/gu, (char) => {
    const code = char.charCodeAt(0);
    return String.fromCharCode(code < 0x20 ? 0x2400 + code : 0x2421);
  });

export function nameView(raw: string): TemplateResult {
  const name = pictured(raw);
  if (name.length <= TAIL_LENGTH + 6)
    return html`<span class="name mono" title=${name}><span class="head">${name}</span></span>`;
  const cut = tailStart(name);
  // Two boxes would be read as two words, so that readers get the name in one piece.
  return html`<span class="name mono" title=${name}
    ><span class="visually-hidden">${name}</span
    ><span class="head" aria-hidden="true">${name.slice(0, cut)}</span
    ><span class="tail" aria-hidden="true">${name.slice(cut)}</span></span
  >`;
}

/** Where the tail begins: at a separator when one is near, so that words stay whole. */
function tailStart(name: string): number {
  const earliest = name.length - TAIL_LENGTH;
  for (let at = earliest; at < name.length - 5; at++) if (/[./:_]/.test(name.charAt(at))) return at;
  return earliest;
}

/** The whole name, with places to break a line after its separators. */
export const breakableName = (name: string): readonly TemplateResult[] =>
  pictured(name)
    .split(/(?<=[./:_])/)
    .map((piece) => html`${piece}<wbr />`);

export const nameStyles = css`
  .name {
    position: relative;
    display: inline-flex;
    max-width: 100%;
    min-width: 0;
    vertical-align: bottom;
    /* A name written from right to left does not turn what stands beside it. */
    unicode-bidi: isolate;
    white-space: pre;
  }
  .name .head {
    flex: 0 9999 auto;
    min-width: 4ch;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .name .visually-hidden {
    user-select: none;
  }
  .name .tail {
    flex: 0 1 auto;
    overflow: hidden;
  }
`;

/** Titles are words of sentences too; a heading begins with a capital. */
export const capital = (title: string): string => title.slice(0, 1).toUpperCase() + title.slice(1);
