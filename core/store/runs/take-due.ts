/**
 * Which tasks a pass of staging takes. A pass that is not the first of a backlog is shared between namespaces: it walks
 * from one to the next, takes an equal share from each that has tasks due, and fills up with those that have been due for
 * longest. So another namespace's task is staged a pass or two after its instant, however many are due. Each pass of a
 * store begins where the last one ended, the first one anywhere.
 */
import { randomUUID } from "node:crypto";
import type { Store } from "../database.ts";
import type { Transaction } from "../transaction.ts";

/** Namespaces that one pass looks at, with tasks due or without: some 5 µs each. */
const NAMESPACES_A_PASS = 1_000;

const DUE = "state = 'active' AND next_run_at <= $1::timestamptz";

const oldest = (columns: string) => `
  SELECT ${columns} FROM tasks WHERE ${DUE} AND id <> ALL ($3::uuid[]) ORDER BY next_run_at LIMIT $2 FOR UPDATE SKIP LOCKED`;

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** The walk is a circle, up from the namespace $3, as in share-claims.ts. A namespace's first instant says whether it has tasks due. */
const shares = (columns: string) => `
  WITH RECURSIVE walk AS (
    SELECT $3::uuid AS namespace_id, NULL::timestamptz AS first_at, false AS is_round, 0 AS no
    UNION ALL
    SELECT n.namespace_id, n.next_run_at, w.is_round OR w.namespace_id IS NULL, w.no + 1
    FROM walk w LEFT JOIN LATERAL (
        SELECT t.namespace_id, t.next_run_at FROM tasks t
        WHERE t.state = 'active' AND t.namespace_id > coalesce(w.namespace_id, '${FIRST_ID}')
        ORDER BY t.namespace_id, t.next_run_at LIMIT 1
      ) AS n ON true
    WHERE w.no <= ${NAMESPACES_A_PASS}
      AND (NOT w.is_round AND w.namespace_id IS NOT NULL OR n.namespace_id <= $3::uuid)
  ), visited AS MATERIALIZED (
    SELECT namespace_id, ($2::int + count(*) OVER () - 1) / count(*) OVER () AS share FROM walk
    WHERE no > 0 AND first_at <= $1::timestamptz
  )
  SELECT s.*, (SELECT w.namespace_id FROM walk w WHERE w.namespace_id IS NOT NULL ORDER BY w.no DESC LIMIT 1) AS visited_last
  FROM visited v CROSS JOIN LATERAL (
    SELECT ${columns}, namespace_id AS own_namespace FROM tasks WHERE ${DUE} AND namespace_id = v.namespace_id
    ORDER BY next_run_at LIMIT v.share FOR UPDATE SKIP LOCKED
  ) AS s LIMIT $2::int`;

/** Of a store's passes. */
interface Staging {
  /** The last one may have left tasks that are due. */
  hasBacklog: boolean;
  /** The next walk begins after this namespace. */
  after: string;
}

const stagings = new WeakMap<Store["pool"], Staging>();

function stagingOf({ pool }: Pick<Store, "pool">): Staging {
  const known = stagings.get(pool) ?? { hasBacklog: false, after: randomUUID() };
  stagings.set(pool, known);
  return known;
}

/**
 * `columns` (the id among them) of up to `limit` active tasks that are due before `horizon`, locked. Fewer: there are no
 * more, but for those that another scheduler has locked.
 */
export async function takeDueTasks<Task extends { id: string }>(
  store: Pick<Store, "pool">,
  tx: Transaction,
  columns: string,
  horizon: Date,
  limit: number,
): Promise<Task[]> {
  const staging = stagingOf(store);
  const taken = staging.hasBacklog ? await takeShares<Task>(staging, tx, columns, horizon, limit) : [];
  if (taken.length < limit) {
    const known = taken.map(({ id }) => id);
    const { rows } = await tx.pool.query<Task>(oldest(columns), [horizon, limit - taken.length, known]);
    taken.push(...rows);
  }
  staging.hasBacklog = taken.length === limit;
  return taken;
}

async function takeShares<Task extends { id: string }>(
  staging: Staging,
  { pool }: Transaction,
  columns: string,
  horizon: Date,
  limit: number,
): Promise<Task[]> {
  const { rows } = await pool.query<Task & { visited_last: string; own_namespace: string }>(shares(columns), [
    horizon,
    limit,
    staging.after,
  ]);
  const last = rows.at(-1);
  if (last) staging.after = rows.length === limit ? last.own_namespace : last.visited_last;
  else staging.after = randomUUID();
  return rows;
}
