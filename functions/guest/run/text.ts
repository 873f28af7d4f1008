/** Texts cut to a size in bytes. */
import { charCodeAt } from "./primordials.ts";

/** How many leading characters of the text fit into so many bytes of UTF-8. */
export function fittingChars(text: string, bytes: number): number {
  const { length } = text;
  if (length * 3 <= bytes) return length;
  let used = 0;
  for (let i = 0; i < length; i++) {
    const code = charCodeAt(text, i);
    // Each half of a surrogate pair counts for two of its four bytes.
    used += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
    if (used > bytes) return i;
  }
  return length;
}
