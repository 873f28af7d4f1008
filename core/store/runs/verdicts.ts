/**
 * Verdicts on their way into a statement: an array for each column that any of them has, and none for the others. Where
 * they came as one JSON text, PostgreSQL read each record twice, as a part of that text and as the value that it is.
 */
import { toTextArray } from "../binary-array.ts";
import { toJsonText } from "../json-text.ts";
import { type TriedAttempt, toOthersRow, toVerdictRow } from "./finished-attempt.ts";

/** In the order of their parameters; $1 is the worker. */
const TYPES = {
  id: "uuid",
  claim_no: "int",
  worker_id: "uuid",
  revision_id: "uuid",
  state: "text",
  available_at: "timestamptz",
  result: "jsonb",
  error: "jsonb",
  record: "jsonb",
  took_ms: "float8",
  input: "jsonb",
  lines: "json",
};
type Column = keyof typeof TYPES;
type VerdictRow = { readonly [column in Column]?: unknown };

const COLUMNS = Object.keys(TYPES) as Column[];

/**
 * Verdicts of attempts of the worker $1; each of its own `worker_id` where it is taken from a worker that is lost. Arrays
 * that are unnested side by side go on with nulls where one of them is shorter, or null itself.
 */
export const VERDICTS = `
  verdicts AS MATERIALIZED (
    SELECT ${COLUMNS.map((column) => `${column}::${TYPES[column]}`).join(", ")}
    FROM (SELECT ${COLUMNS.map((column, index) => `unnest($${index + 2}::text[]) AS ${column}`).join(", ")}) AS given
  )`;

/** The parameters of a statement that has `VERDICTS`. */
export function toVerdictValues(
  workerId: string | null,
  attempts: TriedAttempt[],
): (string | Buffer | null)[] {
  const rows: VerdictRow[] = workerId === null ? attempts.map(toOthersRow) : attempts.map(toVerdictRow);
  return [workerId, ...COLUMNS.map((column) => toColumn(rows, column))];
}

function toColumn(rows: VerdictRow[], column: Column): Buffer | null {
  if (rows.every((row) => row[column] == null)) return null;
  const isJson = TYPES[column].startsWith("json");
  return toTextArray(rows.map((row) => (isJson ? toJsonColumn(row[column]) : toTextColumn(row[column]))));
}

/** Of a JSON null the column has none. */
function toJsonColumn(value: unknown): string | null {
  if (value == null) return null;
  const text = toJsonText(value);
  return text === "null" ? null : text;
}

function toTextColumn(value: unknown): string | null {
  if (value == null) return null;
  return value instanceof Date ? value.toISOString() : String(value);
}
