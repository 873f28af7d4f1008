/**
 * Which of the due tasks, or retries, a pass takes. A pass that is not the first of a backlog is shared between
 * namespaces: it walks from one to the next, takes an equal share from each that has some due, and fills up with those
 * due for longest. Another namespace's are therefore taken a pass or two after their instant, however many are due.
 * Each pass of a store begins where the last one ended, the first one anywhere.
 */
import { randomUUID } from "node:crypto";
import type { Store } from "../database.ts";

/** Rows of a table that are due at an instant of theirs, with an index by age, and one by namespace and age. */
export interface DueRows {
  table: string;
  state: string;
  /** The column of the instant. */
  at: string;
  /** What else the index by namespace says of its rows. */
  ofIndex?: string;
  passes: WeakMap<Store["pool"], Passes>;
}

/** Of a store. */
interface Passes {
  /** The last one may have left rows that are due. */
  hasBacklog: boolean;
  /** The next walk begins after this namespace. */
  after: string;
}

export const DUE_TASKS: DueRows = {
  ...{ table: "tasks", state: "active", at: "next_run_at", passes: new WeakMap() },
};
export const DUE_RETRIES: DueRows = {
  ...{ table: "task_runs_open", state: "scheduled", at: "available_at", passes: new WeakMap() },
  ofIndex: "priority >= 0",
};

/** Namespaces that one pass looks at, with rows due or without: some 5 µs each. */
const NAMESPACES_A_PASS = 1_000;

const isDue = ({ state, at }: DueRows) => `state = '${state}' AND ${at} <= $1::timestamptz`;

const oldest = (rows: DueRows, columns: string) => `
  SELECT ${columns}, namespace_id AS own_namespace, NULL::uuid AS visited_last FROM ${rows.table}
  WHERE ${isDue(rows)} AND id <> ALL ($3::uuid[]) ORDER BY ${rows.at} LIMIT $2 FOR UPDATE SKIP LOCKED`;

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** The walk is a circle, up from the namespace $3, as in share-claims.ts. A namespace's first instant says whether it has rows due. */
const shares = (rows: DueRows, columns: string, { ofIndex = "true" } = rows) => `
  WITH RECURSIVE walk AS (
    SELECT $3::uuid AS namespace_id, NULL::timestamptz AS first_at, false AS is_round, 0 AS no
    UNION ALL
    SELECT n.namespace_id, n.first_at, w.is_round OR w.namespace_id IS NULL, w.no + 1
    FROM walk w LEFT JOIN LATERAL (
        SELECT t.namespace_id, t.${rows.at} AS first_at FROM ${rows.table} t
        WHERE t.state = '${rows.state}' AND ${ofIndex} AND t.namespace_id > coalesce(w.namespace_id, '${FIRST_ID}')
        ORDER BY t.namespace_id, t.${rows.at} LIMIT 1
      ) AS n ON true
    WHERE w.no <= ${NAMESPACES_A_PASS}
      AND (NOT w.is_round AND w.namespace_id IS NOT NULL OR n.namespace_id <= $3::uuid)
  ), visited AS MATERIALIZED (
    SELECT namespace_id, ($2::int + count(*) OVER () - 1) / count(*) OVER () AS share FROM walk
    WHERE no > 0 AND first_at <= $1::timestamptz
  )
  SELECT s.*, (SELECT w.namespace_id FROM walk w WHERE w.namespace_id IS NOT NULL ORDER BY w.no DESC LIMIT 1) AS visited_last
  FROM visited v CROSS JOIN LATERAL (
    SELECT ${columns}, namespace_id AS own_namespace FROM ${rows.table}
    WHERE ${isDue(rows)} AND ${ofIndex} AND namespace_id = v.namespace_id
    ORDER BY ${rows.at} LIMIT v.share FOR UPDATE SKIP LOCKED
  ) AS s LIMIT $2::int`;

function passesOf({ passes }: DueRows, { pool }: Pick<Store, "pool">): Passes {
  const known = passes.get(pool) ?? { hasBacklog: false, after: randomUUID() };
  passes.set(pool, known);
  return known;
}

/** What a pass took; the namespaces say how far it came. */
export interface Taken {
  own_namespace: string;
  visited_last: string | null;
}

/** Does what is to be done with the rows that `take` selects and locks: all that answers is their `columns` and `Taken`. */
export type Take<Row> = (take: string, values: unknown[]) => Promise<(Row & Taken)[]>;

/**
 * Up to `limit` of the rows that are due before `horizon`, by their `columns` (the id among them). Fewer: there are no
 * more, but for those that another scheduler has locked.
 */
export async function takeDue<Row extends { id: string }>(
  rows: DueRows,
  store: Pick<Store, "pool">,
  { columns, horizon, limit }: { columns: string; horizon: Date; limit: number },
  take: Take<Row>,
): Promise<Row[]> {
  const passes = passesOf(rows, store);
  const taken: (Row & Taken)[] = [];
  if (passes.hasBacklog) {
    taken.push(...(await take(shares(rows, columns), [horizon, limit, passes.after])));
    const last = taken.at(-1);
    passes.after = (taken.length === limit ? last?.own_namespace : last?.visited_last) ?? randomUUID();
  }
  if (taken.length < limit) {
    const known = taken.map(({ id }) => id);
    taken.push(...(await take(oldest(rows, columns), [horizon, limit - taken.length, known])));
  }
  passes.hasBacklog = taken.length === limit;
  return taken;
}
