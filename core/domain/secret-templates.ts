/**
 * `{{secrets.NAME}}` in a text stands for a secret of the namespace. A backslash before it says that the text itself is
 * meant, and two stand for one: `\{{secrets.NAME}}` is `{{secrets.NAME}}`. Any other `{{` means nothing here.
 */

/** Of one task; each may stand for the largest secret there is. */
export const MAX_TEMPLATES = 100;

const OPENING = /\{\{ *secrets\./y;
const TEMPLATE = /\{\{ *secrets\.([A-Za-z_][A-Za-z0-9_]{0,127}) *\}\}/y;
const SHOWN_CHARS = 30;

/** Text as it is sent, or the name of a secret. */
export type TemplatePart = string | { name: string };

/** Where a template was begun that names no secret: the text from there on. */
export class TemplateFault extends Error {
  constructor(text: string) {
    const shown = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
    super(
      `${JSON.stringify(shown)} names no secret: write {{secrets.NAME}}, or \\{{secrets. for the text itself`,
    );
  }
}

/** Whether there may be anything to parse: one cheap look. */
export const mayHoldTemplate = (text: string): boolean => text.includes("{{");

/** Throws `TemplateFault`. */
export function parseTemplate(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let done = 0;
  for (let at = text.indexOf("{{"); at >= 0; at = text.indexOf("{{", at + 1)) {
    if (!matchAt(OPENING, text, at)) continue;
    const backslashes = countBackslashes(text, at, done);
    parts.push(text.slice(done, at - Math.ceil(backslashes / 2)));
    done = at;
    if (backslashes % 2 === 1) continue;
    const template = matchAt(TEMPLATE, text, at);
    if (!template) throw new TemplateFault(text.slice(at));
    parts.push({ name: template[1]! });
    done = at + template[0].length;
    at = done - 1;
  }
  parts.push(text.slice(done));
  return parts.filter((part) => part !== "");
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function countBackslashes(text: string, before: number, from: number): number {
  let at = before;
  while (at > from && text[at - 1] === "\\") at -= 1;
  return before - at;
}

/** The text that is sent, each secret's value put in as `encode` has it. */
export function fillTemplate(
  text: string,
  findValue: (name: string) => string,
  encode: (value: string) => string,
): string {
  if (!mayHoldTemplate(text)) return text;
  return parseTemplate(text)
    .map((part) => (typeof part === "string" ? part : encode(findValue(part.name))))
    .join("");
}
