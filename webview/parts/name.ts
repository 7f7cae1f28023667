/** Long technical names: the beginning gives way to an ellipsis, the end, which tells them apart, stays. */
import { css, html, type TemplateResult } from "lit";

/** Shorter names are shown whole. */
const TAIL_LENGTH = 18;

export function nameView(name: string): TemplateResult {
  const cut = name.length > TAIL_LENGTH + 6 ? tailStart(name) : name.length;
  return html`<span class="name mono" title=${name}
    ><span class="head">${name.slice(0, cut)}</span
    ><span class="tail">${name.slice(cut)}</span></span
  >`;
}

/** Where the tail begins: at a separator when one is near, so that words stay whole. */
function tailStart(name: string): number {
  const earliest = name.length - TAIL_LENGTH;
  for (let at = earliest; at < name.length - 5; at++) if (/[./:_]/.test(name.charAt(at))) return at;
  return earliest;
}

export const nameStyles = css`
  .name {
    display: inline-flex;
    max-width: 100%;
    min-width: 0;
    vertical-align: bottom;
    white-space: pre;
  }
  .name .head {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .name .tail {
    flex: none;
  }
`;
