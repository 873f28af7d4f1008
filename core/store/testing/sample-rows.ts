/** Rows of any table, made of what the schema says of it: for tests that go through all tables. */
import { randomBytes } from "node:crypto";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";

interface Column {
  name: string;
  type: string;
  needed: boolean;
}

/** Without the days of runs and of lines, but with the open runs. */
export async function listTables({ pool }: QueryScope): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
       AND (NOT relispartition OR relname = 'task_runs_open') ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

export const columnsOf = async ({ pool }: QueryScope, table: string) =>
  (
    await pool.query<Column>(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type,
         attnotnull AND NOT atthasdef AND attidentity = '' AND attgenerated = '' AS needed
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
      [table],
    )
  ).rows;

/** Rows in which one of the words stands, whatever the column; what bytes say is read as text. */
export async function findMentions(
  scope: QueryScope,
  table: string,
  words: readonly string[],
): Promise<string[]> {
  const bytes = (await columnsOf(scope, table)).filter(({ type }) => type === "bytea");
  const asText = [
    "to_jsonb(t)::text",
    ...bytes.map(({ name }) => `coalesce(encode("${name}", 'escape'), '')`),
  ];
  const { rows } = await scope.pool.query<{ row: string }>(
    `SELECT to_jsonb(t)::text AS row FROM ${table} t WHERE concat(${asText.join(", ")}) LIKE ANY ($1) ORDER BY 1`,
    [words.map((word) => `%${word}%`)],
  );
  return rows.map(({ row }) => row);
}

const SAMPLES: Record<string, (text: string) => unknown> = {
  uuid: newId,
  text: (text) => text,
  integer: () => 1,
  bigint: () => 1,
  smallint: () => 1,
  boolean: () => false,
  jsonb: () => "{}",
  json: () => "{}",
  bytea: () => randomBytes(32),
  "timestamp with time zone": () => new Date(),
  "text[]": () => [],
  "uuid[]": () => [],
  "date[]": () => [],
  date: () => "2026-11-29",
};
/** What a table asks for besides. */
const BESIDES: Record<string, Record<string, unknown>> = {
  enqueued_tasks: { action: "cancel" },
  bulk_actions: { state: "succeeded", finished_at: new Date() },
  task_changes: { change: "changed" },
  expectations: { look_at: new Date() },
  run_callbacks: { state: "succeeded" },
};

/**
 * A row of the least that the table takes, which names what it can of what is known, by its column or `table.column`; null
 * leaves a column out.
 */
export async function insertSample(
  scope: QueryScope,
  table: string,
  known: Record<string, string | null>,
  text = "x",
): Promise<void> {
  const besides = BESIDES[table] ?? {};
  const given: [string, unknown][] = (await columnsOf(scope, table)).flatMap(({ name, type, needed }) => {
    const own = `${table}.${name}` in known ? known[`${table}.${name}`] : known[name];
    const value = name in besides ? besides[name] : (own ?? (needed ? SAMPLES[type]?.(text) : undefined));
    return value === undefined || own === null ? [] : [[name, value]];
  });
  const names = given.map(([name]) => `"${name}"`).join(", ");
  const places = given.map((_value, index) => `$${index + 1}`).join(", ");
  await scope.pool.query(
    `INSERT INTO ${table} (${names}) VALUES (${places})`,
    given.map(([, value]) => value),
  );
}
