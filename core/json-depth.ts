/** How deep JSON is nested, told before it is parsed, stored or written: each of these fails, or is slow, at its own depth. */

import { findStringEnd } from "./json-source.ts";

const QUOTE = 34;
const [OPENING_BRACKET, CLOSING_BRACKET] = [91, 93];
const [OPENING_BRACE, CLOSING_BRACE] = [123, 125];

/** Whether the text, as JSON, is nested deeper. It looks at the text alone, and no further than to where that is so. */
export function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = findStringEnd(text, at);
    else if (code === OPENING_BRACKET || code === OPENING_BRACE) {
      depth += 1;
      if (depth > max) return true;
    } else if (code === CLOSING_BRACKET || code === CLOSING_BRACE) depth -= 1;
  }
  return false;
}
