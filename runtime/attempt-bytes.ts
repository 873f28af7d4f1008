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

/** As many as JSON.stringify makes; what is too deep for it is left to the write to refuse. */
function jsonLength(value: unknown): number {
  if (value instanceof JsonSource) return value.text.length;
  if (typeof value !== "string" && (typeof value !== "object" || value === null)) return 5;
  try {
    return JSON.stringify(value).length;
  } catch {
    return 0;
  }
}
