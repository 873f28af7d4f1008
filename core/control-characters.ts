/** C0, DEL and C1: in one line of text they steer terminals, protocols and logs, and stand for nothing a person wrote. */
const CONTROL_CHARACTER = /\p{Cc}/u;

export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTER.test(text);
}

/** The text with a space in place of each run of them and of white space. */
export function toOneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}
