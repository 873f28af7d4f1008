/**
 * How a filtered list is read. A walk goes along one index in the order of ids. What the index knows bounds it (`where`);
 * the rest is looked at row by row (`filters`), and no page looks at more than `maxRows` rows for it: where what matches
 * is rare a page comes out short, and says how far it came. A list may be the union of several walks.
 *
 * A page is of one instant. Else a run that changes its state between two walks would be found by neither, and one that
 * ends between the look at the rows and the look at how far it came would move others past the cursor, unseen.
 *
 * A page is bounded in bytes as well, and never empty for that: a role that answers several at once must not hold what
 * 200 results of a megabyte take.
 */
import { type RawBuilder, sql } from "kysely";
import type { ListOrder } from "../contracts/common.ts";
import type { Db } from "./database.ts";

export interface Walk {
  /** A table or a part of one, aliased as `r`; its `id` is the order. */
  from: RawBuilder<unknown>;
  where: RawBuilder<unknown>[];
  filters: RawBuilder<unknown>[];
  /** What a page looks through at most. Default 5,000: some 10 ms of the database. */
  maxRows?: number;
  /** Where a page is looked for first: the end of the list that it begins at, where that takes less planning. */
  first?: RawBuilder<unknown>[];
}

export interface PageOptions {
  limit: number;
  /** The last id of the page before, or how far it came. */
  afterId?: string | null | undefined;
  /** The last id that is looked at. */
  untilId?: string | undefined;
  /** Default `desc`: the newest first. */
  order?: ListOrder | undefined;
}

export interface Found<Row> {
  rows: Row[];
  /** What the next page comes after; null: this is the last one. */
  nextId: string | null;
}

/** How the rows of a page are read. */
export interface Reading<Row> {
  /** Says what is read of the rows `r` that are found. */
  select(found: RawBuilder<unknown>): RawBuilder<Row>;
  /** Those of their columns that may be large and are read. Default: none. */
  largeColumns?: readonly string[];
}

/** Of large columns, a page: some four results of the largest kind. The row that passes it is the page's last. */
export const MAX_PAGE_BYTES = 4_000_000;

/** What compressed JSON is taken for: seldom more, and to unpack it only to tell would cost more than to read it. */
export const MOST_COMPRESSED = 20;

const bytesOf = (columns: readonly string[]) =>
  sql.raw(
    columns
      .map(
        (column) => `coalesce(pg_column_size(r.${column})
          * CASE WHEN pg_column_compression(r.${column}) IS NULL THEN 1 ELSE ${MOST_COMPRESSED} END, 0)`,
      )
      .join(" + "),
  );

interface Taken<Row> {
  rows: Row[];
  /** Everything up to here is in `rows`; undefined: it came to its end. */
  reachedId: string | undefined;
}

export const MAX_ROWS = 5_000;

/** A page of what the walks find together. */
export async function readWalks<Row extends { id: string }>(
  db: Db,
  walks: Walk[],
  reading: Reading<Row>,
  page: PageOptions,
): Promise<Found<Row>> {
  const read = async (scope: Db) => {
    const taken: Taken<Row>[] = [];
    for (const walk of walks) taken.push(await beginWalk(scope, walk, reading, page));
    return mergeWalks(taken, page);
  };
  // The answer of a walk without filters is one statement's.
  if (walks.length === 1 && walks[0]!.filters.length === 0) return await read(db);
  return await db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only").execute(read);
}

async function beginWalk<Row extends { id: string }>(
  db: Db,
  walk: Walk,
  reading: Reading<Row>,
  page: PageOptions,
): Promise<Taken<Row>> {
  const first = walk.first && { ...walk, where: [...walk.where, ...walk.first] };
  const begun = first && (await takeWalk(db, first, reading, page));
  return begun?.reachedId === undefined ? await takeWalk(db, walk, reading, page) : begun;
}

async function takeWalk<Row extends { id: string }>(
  db: Db,
  { from, where, filters, maxRows = MAX_ROWS }: Walk,
  reading: Reading<Row>,
  { limit, afterId, untilId, order }: PageOptions,
): Promise<Taken<Row>> {
  const way = order === "asc" ? sql`ASC` : sql`DESC`;
  const after = afterId == null ? [] : [sql`r.id ${order === "asc" ? sql`>` : sql`<`} ${afterId}`];
  const until = untilId === undefined ? [] : [sql`r.id <= ${untilId}`];
  const path = sql`FROM ${from} r WHERE ${allOf([...where, ...after, ...until])} ORDER BY r.id ${way}`;
  const found =
    filters.length === 0
      ? sql`SELECT * ${path} LIMIT ${limit + 1}`
      : sql`SELECT * FROM (SELECT * ${path} LIMIT ${maxRows}) r
          WHERE ${allOf(filters)} ORDER BY r.id ${way} LIMIT ${limit + 1}`;
  const { rows, isCut } = await readWithin(db, reading, found, sql`ORDER BY r.id ${way}`);
  if (isCut) return { rows, reachedId: rows.at(-1)!.id };
  if (rows.length > limit || filters.length === 0) return { rows, reachedId: rows[limit]?.id };
  const { rows: last } = await sql<{ id: string }>`SELECT r.id ${path} OFFSET ${maxRows - 1} LIMIT 1`.execute(
    db,
  );
  return { rows, reachedId: last[0]?.id };
}

/** The first rows, as far as they fit into the bytes of a page; whether there are others. */
async function readWithin<Row extends { id: string }>(
  db: Db,
  { select, largeColumns = [] }: Reading<Row>,
  found: RawBuilder<unknown>,
  inOrder: RawBuilder<unknown>,
): Promise<{ rows: Row[]; isCut: boolean }> {
  if (largeColumns.length === 0) {
    const { rows } = await sql<Row>`${select(found)} ${inOrder}`.execute(db);
    return { rows, isCut: false };
  }
  const { rows } = await sql<Row & { isCut: boolean }>`
    WITH sized AS (
      SELECT r.*, count(*) OVER () AS found_rows,
        coalesce(sum(${bytesOf(largeColumns)}) OVER (${inOrder} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
      FROM (${found}) r
    ), fitting AS MATERIALIZED (
      SELECT * FROM sized WHERE bytes_before < ${MAX_PAGE_BYTES}
    )
    SELECT r.*, (SELECT count(*) < max(found_rows) FROM fitting) AS "isCut"
    FROM (${select(sql`SELECT * FROM fitting`)}) r ${inOrder}`.execute(db);
  return { rows: rows.map(({ isCut, ...row }) => row as unknown as Row), isCut: rows[0]?.isCut ?? false };
}

const allOf = (conditions: readonly RawBuilder<unknown>[]) => sql.join(conditions, sql` AND `);

/**
 * Nothing is shown beyond where the walk that came least far stands: what that one has yet to find comes before it. A
 * row that several walks find is shown once.
 */
export function mergeWalks<Row extends { id: string }>(
  taken: readonly Taken<Row>[],
  { limit, order }: Pick<PageOptions, "limit" | "order">,
): Found<Row> {
  const sign = order === "asc" ? 1 : -1;
  const compare = (a: string, b: string) => (a === b ? 0 : a < b ? -sign : sign);
  const [nearestId] = taken.flatMap(({ reachedId }) => reachedId ?? []).sort(compare);
  const byId = new Map(taken.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));
  const rows = [...byId.values()]
    .filter(({ id }) => nearestId === undefined || compare(id, nearestId) <= 0)
    .sort((a, b) => compare(a.id, b.id));
  if (rows.length > limit) return { rows: rows.slice(0, limit), nextId: rows[limit - 1]!.id };
  return { rows, nextId: nearestId ?? null };
}

/** How many rows the walks find, up to and with this id, in one look: however long it takes. */
export async function countWalks(db: Db, walks: Walk[], untilId: string): Promise<number> {
  const counts = walks.map(
    ({ from, where, filters }) =>
      sql`(SELECT count(*) FROM ${from} r WHERE ${allOf([...where, sql`r.id <= ${untilId}`, ...filters])})`,
  );
  const { rows } = await sql<{
    total: string;
  }>`SELECT ${sql.join([sql`0`, ...counts], sql` + `)} AS total`.execute(db);
  return Number(rows[0]!.total);
}

/** What is counted at most, of each walk. */
const MAX_COUNTED = 2_000;

/** About how many rows the walks find: counted while that is soon done, else what the planner makes of its statistics. */
export async function estimateCount(db: Db, walks: Walk[]): Promise<number> {
  let total = 0;
  for (const walk of walks) total += await estimateWalk(db, walk);
  return total;
}

async function estimateWalk(db: Db, { from, where, filters }: Walk): Promise<number> {
  const matches = allOf([sql`true`, ...filters]);
  const { rows } = await sql<{ walked: number; matched: number }>`
    SELECT count(*)::int AS walked, (count(*) FILTER (WHERE ${matches}))::int AS matched
    FROM (SELECT * FROM ${from} r WHERE ${allOf(where)} ORDER BY r.id DESC LIMIT ${MAX_COUNTED}) r`.execute(
    db,
  );
  const { walked, matched } = rows[0]!;
  if (walked < MAX_COUNTED) return matched;
  const { rows: plans } = await sql<{ "QUERY PLAN": [{ Plan: { "Plan Rows": number } }] }>`
    EXPLAIN (FORMAT JSON) SELECT FROM ${from} r WHERE ${allOf([...where, ...filters])}`.execute(db);
  return Math.max(matched, Math.round(plans[0]!["QUERY PLAN"][0].Plan["Plan Rows"]));
}
