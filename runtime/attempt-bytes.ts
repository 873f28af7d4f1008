/** About how many bytes a run keeps in memory until it is recorded. */
import type { TaskSpec } from "../core/domain/task-spec.ts";
import { JsonSource } from "../core/json-source.ts";
import type { TriedAttempt } from "../core/store/runs/finish.ts";

/** Of what is recorded. */
export function estimateBytes({ verdict, logs, originalInput, record }: TriedAttempt): number {
  const result = "result" in verdict ? jsonLength(verdict.result) : 0;
  const input = originalInput === undefined ? 0 : jsonLength(originalInput);
  return logs.reduce(
    (sum, { message, fields }) => sum + message.length + jsonLength(fields) + 200,
    result + input + jsonLength(record.error) + jsonLength(record.requests) + 200,
  );
}

/** Of what its task gave it: a function's input, or what others send. A large one is in the input room instead. */
export function estimateSpecBytes(spec: TaskSpec): number {
  if (spec.type === "function") return jsonLength(spec.input);
  if (spec.type === "email") return jsonLength(spec);
  let bytes = spec.url.length + jsonLength(spec.body);
  for (const name in spec.headers) bytes += name.length + spec.headers[name]!.length;
  return bytes;
}

/** What is nested deeper is hardly recorded. */
const MOST_LEVELS = 100;

/** About as many as JSON.stringify makes, without making them: escapes are not counted. */
function jsonLength(value: unknown, levels = MOST_LEVELS): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value === "number") return String(value).length;
  if (typeof value !== "object" || value === null) return 5;
  if (value instanceof JsonSource) return value.text.length;
  if (levels === 0) return 0;
  let length = 2;
  if (Array.isArray(value)) for (const each of value) length += jsonLength(each, levels - 1) + 1;
  else for (const name in value) length += name.length + 4 + jsonLength(value[name as never], levels - 1);
  return length;
}
