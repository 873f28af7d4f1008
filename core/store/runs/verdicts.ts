/**
 * Verdicts on their way into a statement, and the log lines of their attempts: an array for each column that any of them
 * has, and none for the others. Where verdicts came as one JSON text, PostgreSQL read each record twice, as a part of that
 * text and as the value that it is; where each had its lines as JSON, a function was called for each to read them.
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
  /** By which its lines name it; null: it has none. */
  verdict_no: "int",
};

/** Their parameters follow. A run may have verdicts of two claims, so it is not the run that a line names. */
const LINE_TYPES = {
  verdict_no: "int",
  line_no: "int",
  since_ms: "float8",
  level: "text",
  message: "text",
  fields: "jsonb",
};

type Row<Types> = { readonly [column in keyof Types]?: unknown };
const COLUMNS = Object.keys(TYPES) as (keyof typeof TYPES)[];
const LINE_COLUMNS = Object.keys(LINE_TYPES) as (keyof typeof LINE_TYPES)[];

/**
 * Arrays that are unnested side by side go on with nulls where one of them is shorter, or null itself.
 * @param first the number of the first parameter
 */
const unnested = (types: Record<string, string>, first: number) => `
    SELECT ${Object.entries(types)
      .map(([column, type]) => `${column}::${type}`)
      .join(", ")}
    FROM (SELECT ${Object.keys(types)
      .map((column, index) => `unnest($${first + index}::text[]) AS ${column}`)
      .join(", ")}) AS given`;

/** Verdicts of attempts of the worker $1; each of its own `worker_id` where it is taken from a worker that is lost. */
export const VERDICTS = `
  verdicts AS MATERIALIZED (${unnested(TYPES, 2)}
  ), lines AS MATERIALIZED (${unnested(LINE_TYPES, 2 + COLUMNS.length)}
  )`;

/** The parameters of a statement that has `VERDICTS`. */
export function toVerdictValues(
  workerId: string | null,
  attempts: TriedAttempt[],
): (string | Buffer | null)[] {
  const rows: Row<typeof TYPES>[] = [];
  const lines: Row<typeof LINE_TYPES>[] = [];
  for (const [verdict_no, attempt] of attempts.entries()) {
    const { lines: own = [], ...row } = workerId === null ? toOthersRow(attempt) : toVerdictRow(attempt);
    for (const line of own) lines.push({ ...line, verdict_no, line_no: lines.length });
    rows.push(own.length === 0 ? row : { ...row, verdict_no });
  }
  return [
    workerId,
    ...COLUMNS.map((column) => toColumn(rows, column, TYPES[column])),
    ...LINE_COLUMNS.map((column) => toColumn(lines, column, LINE_TYPES[column])),
  ];
}

function toColumn<Column extends string>(
  rows: { readonly [column in Column]?: unknown }[],
  column: Column,
  type: string,
): Buffer | null {
  if (rows.every((row) => row[column] == null)) return null;
  const toText = type === "jsonb" ? toJsonColumn : toTextColumn;
  return toTextArray(rows.map((row) => toText(row[column])));
}

/** Of a JSON null the column has none. */
function toJsonColumn(value: unknown): string | null {
  if (value == null) return null;
  const text = toJsonText(value);
  return text === "null" ? null : text;
}

/** Without what PostgreSQL refuses, as `toJsonText` has it. */
function toTextColumn(value: unknown): string | null {
  if (value == null) return null;
  if (typeof value === "string") return value.toWellFormed().replaceAll("\0", "\ufffd");
  return value instanceof Date ? value.toISOString() : String(value);
}
