import { writeJson } from "../json-source.ts";

/**
 * JSON text that Postgres takes. jsonb refuses U+0000 and lone surrogates, which any stranger's string may hold:
 * both become U+FFFD. JSON.stringify escapes exactly these, so a text without `\u` needs no second look.
 */
const REFUSED = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

export function toJsonText(value: unknown): string {
  return toStorableJson(value === undefined ? "null" : writeJson(value));
}

/** The same of what is JSON already. */
export const toStorableJson = (text: string): string =>
  text.includes("\\u") ? text.replace(REFUSED, "$1\\ufffd") : text;
