/** Text that others wrote, such as a log line, must not steer the terminal it is shown in. */
const STEERING = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Keeps line breaks and tabs; any other control character is shown as its escape. */
export function printable(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(STEERING, (char) => (char === "\n" || char === "\t" ? char : escapeOf(char)));
}

/** On one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "⏎").replaceAll("\t", " ");
}

/** JSON leaves some of them as they are; their escapes mean the same there. */
export function printableJson(value: unknown, indent?: number): string {
  return printable(JSON.stringify(value, null, indent) ?? "null");
}

const escapeOf = (char: string) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, "0")}`;
