/** Text that PostgreSQL's jsonb takes: it refuses U+0000, and half of a surrogate pair is no character at all. */
import type { Json } from "./json.ts";
import { JsonSource } from "./json-source.ts";

export interface TextFault {
  /** Where in the value; empty for the value itself. */
  path: string[];
  /** Of its field: "holds …". */
  message: string;
}

/** Only an escape brings them into JSON that was bytes in UTF-8, and `JSON.stringify` writes them as escapes. */
const SUSPICIOUS = /\\u(?:0000|d[89a-f])/i;

/**
 * The first text in it that cannot be stored. `text` is the value's JSON, in which that is looked for first; what is kept
 * as its author's own JSON is not looked at.
 */
export function findTextFault(value: Json, text: string): TextFault | undefined {
  return SUSPICIOUS.test(text) ? findFault(value, []) : undefined;
}

function findFault(value: Json, path: string[]): TextFault | undefined {
  if (typeof value === "string") return isStorable(value) ? undefined : { path, message: refusalOf("text") };
  if (typeof value !== "object" || value === null || (value as unknown) instanceof JsonSource)
    return undefined;
  for (const [name, member] of Object.entries(value)) {
    if (!isStorable(name)) return { path, message: refusalOf("a name") };
    const fault = findFault(member, [...path, name]);
    if (fault) return fault;
  }
  return undefined;
}

function refusalOf(what: string): string {
  return `holds ${what} with U+0000 or half of a surrogate pair, which cannot be stored`;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}
