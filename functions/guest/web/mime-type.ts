/** MIME types of the MIME sniffing standard. */
const TOKEN = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
const QUOTABLE = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface MimeType {
  /** "type/subtype", lower-case. */
  essence: string;
  parameters: Map<string, string>;
}

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

function trimHttp(text: string): string {
  return text.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
}

/** Undefined where it is none. */
export function parseMimeType(input: string): MimeType | undefined {
  const text = trimHttp(input);
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const semicolon = text.indexOf(";", slash);
  const type = text.slice(0, slash);
  const subtype = text.slice(slash + 1, semicolon < 0 ? undefined : semicolon).replace(/[\t\n\r ]+$/, "");
  if (!TOKEN.test(type) || !TOKEN.test(subtype)) return undefined;
  const parameters = semicolon < 0 ? new Map<string, string>() : parseParameters(text, semicolon + 1);
  return { essence: `${type}/${subtype}`.toLowerCase(), parameters };
}

function parseParameters(text: string, from: number): Map<string, string> {
  const parameters = new Map<string, string>();
  let at = from;
  while (at < text.length) {
    while (/[\t\n\r ]/.test(text[at] ?? "")) at++;
    const nameEnd = indexOfAny(text, ";=", at);
    const name = text.slice(at, nameEnd).toLowerCase();
    at = nameEnd;
    if (text[at] === ";") {
      at++;
      continue;
    }
    if (at >= text.length) break;
    at++;
    let value: string;
    if (text[at] === '"') {
      [value, at] = readQuoted(text, at);
      at = indexOfAny(text, ";", at) + 1;
    } else {
      const end = indexOfAny(text, ";", at);
      value = text.slice(at, end).replace(/[\t\n\r ]+$/, "");
      at = end + 1;
      if (value === "") continue;
    }
    if (TOKEN.test(name) && QUOTABLE.test(value) && !parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

function indexOfAny(text: string, characters: string, from: number): number {
  let at = from;
  while (at < text.length && !characters.includes(text[at]!)) at++;
  return at;
}

/** The value of an HTTP quoted string that begins here, and where it ends. */
function readQuoted(text: string, from: number): [value: string, end: number] {
  let value = "";
  let at = from + 1;
  while (at < text.length) {
    const character = text[at++]!;
    if (character === '"') break;
    if (character !== "\\") value += character;
    else value += at < text.length ? text[at++]! : "\\";
  }
  return [value, at];
}

export function serializeMimeType({ essence, parameters }: MimeType): string {
  let text = essence;
  for (const [name, value] of parameters) {
    const quoted = TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
    text += `;${name}=${quoted}`;
  }
  return text;
}

/** The MIME type that `Content-Type` values, combined, stand for. */
export function extractMimeType(contentType: string | null): MimeType | undefined {
  if (contentType === null) return undefined;
  let charset: string | undefined;
  let essence: string | undefined;
  let found: MimeType | undefined;
  for (const value of splitHeader(contentType)) {
    const mimeType = parseMimeType(value);
    if (!mimeType || mimeType.essence === "*/*") continue;
    found = mimeType;
    if (mimeType.essence !== essence) {
      charset = mimeType.parameters.get("charset");
      essence = mimeType.essence;
    } else if (!mimeType.parameters.has("charset") && charset !== undefined) {
      mimeType.parameters.set("charset", charset);
    }
  }
  return found;
}

function splitHeader(value: string): string[] {
  const values: string[] = [];
  let text = "";
  let at = 0;
  while (at < value.length) {
    const end = indexOfAny(value, '",', at);
    text += value.slice(at, end);
    at = end;
    if (value[at] === '"') {
      const [, quotedEnd] = readQuoted(value, at);
      text += value.slice(at, quotedEnd);
      at = quotedEnd;
      if (at < value.length && value[at] !== ",") continue;
    }
    values.push(text.replace(/^[\t ]+|[\t ]+$/g, ""));
    text = "";
    at++;
  }
  if (text !== "") values.push(text);
  return values;
}
