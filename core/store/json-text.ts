import { writeJson } from "../json-source.ts";

/**
 * JSON text that Postgres takes. jsonb refuses U+0000 and lone surrogates, which any stranger's string may hold:
 * both become U+FFFD. They are escaped in what JSON.stringify writes, and in what came as UTF-8.
 */
const SUSPICIOUS = /\\u(?:0000|d[89a-f])/i;
/** An escaped backslash and a sound pair are matched, too, as what comes first, so that no part of them is. */
const ESCAPES = /\\(?:\\|ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u(?:0000|d[89a-f][0-9a-f]{2}))/gi;
const REFUSED_LENGTH = "\\ud800".length;

export function toJsonText(value: unknown): string {
  return toStorableJson(value === undefined ? "null" : writeJson(value));
}

/** The same of what is JSON already. */
export const toStorableJson = (text: string): string =>
  text.includes("\\u") && SUSPICIOUS.test(text)
    ? text.replace(ESCAPES, (found) => (found.length === REFUSED_LENGTH ? "\\ufffd" : found))
    : text;
