import { createHash } from "node:crypto";
import type { Json } from "../../core/json.ts";
import { JsonSource, writeJson } from "../../core/json-source.ts";

/** SHA-256 of what it holds: the order of fields makes no difference, the text of a JsonSource does. */
export function hashContent(content: Json): Buffer {
  return createHash("sha256")
    .update(writeJson(sortFields(content)))
    .digest();
}

function sortFields(value: Json): Json {
  if (typeof value !== "object" || value === null || value instanceof JsonSource) return value;
  if (Array.isArray(value)) return value.map(sortFields);
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, each]) => [name, sortFields(each as Json)]));
}
