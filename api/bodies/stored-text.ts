/** Text that PostgreSQL's jsonb takes: it refuses U+0000, and half of a surrogate pair is no character at all. */
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { JsonSource } from "../../core/json-source.ts";
import { shortenName } from "../http/problem.ts";

/** Only an escape can bring them into a text that was bytes in UTF-8. */
const SUSPICIOUS = /\\u(?:0000|d[89a-f])/i;

/** 422 that names the field. `text` is what the value was parsed from; what is kept as its author's own JSON is not looked at. */
export function refuseUnstorable(value: Json, text: string): void {
  if (!SUSPICIOUS.test(text)) return;
  const fault = findFault(value, []);
  if (!fault) return;
  const field = shortenName(fault.path.join("."));
  if (field === "") throw new BellhopError("invalid_input", 422, `The input ${fault.message}`);
  throw invalidField(field, fault.message);
}

interface Fault {
  path: string[];
  message: string;
}

function findFault(value: Json, path: string[]): Fault | undefined {
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
