/**
 * How a claim is shared out where more runs are due than it may take. It walks from namespace to namespace, those that
 * have runs which are due, and takes from each an equal share of what it may take, the best of the namespace first; what
 * some of them leave is taken from the others. So a namespace's runs wait for as many as there are namespaces, whatever
 * these have queued. Each claim of a store begins where the last one ended, the first one anywhere.
 */
import { randomUUID } from "node:crypto";
import type { Store } from "../database.ts";
import { BEST_FIRST, CLAIMABLE_BY_NAMESPACE, isDue } from "./claimable.ts";

/** Namespaces from which one claim takes, at most. */
export const NAMESPACES_A_CLAIM = 32;

const due = (from: string) => `${CLAIMABLE_BY_NAMESPACE} AND ${isDue("$3::int")} ${from}`;

const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** The next namespace down from that of a row `w`; from null, the topmost. From its end, where fewer runs are gone. */
const next = (from: string) => `
    SELECT namespace_id FROM task_runs_open WHERE ${due(from)} AND namespace_id < coalesce(w.namespace_id, '${LAST_ID}')
    ORDER BY namespace_id DESC LIMIT 1`;

/** The best of the namespace of a row `v`, locked as they are found: claims that meet take different runs. */
const bestOf = (columns: string, from: string, limit: string) => `
    SELECT ${columns} FROM task_runs_open r WHERE ${due(from)} AND r.namespace_id = v.namespace_id
    ORDER BY ${BEST_FIRST} LIMIT ${limit} FOR UPDATE SKIP LOCKED`;

/**
 * CTEs, of which `wanted` has `columns` of the runs `r` that are taken: $2 at most, due for $3 milliseconds, beginning
 * after the namespace $4. `from` is one more condition on them, or empty. The walk is a circle: down from there, over its
 * end (null), and down to where it began.
 */
export const sharedOut = (columns: string, from: string) => `
  walk AS (
    SELECT $4::uuid AS namespace_id, false AS is_round, 0 AS no
    UNION ALL
    SELECT n.namespace_id, n.is_round, w.no + (n.namespace_id IS NOT NULL)::int
    FROM walk w CROSS JOIN LATERAL (
        SELECT (${next(from)}) AS namespace_id, w.is_round OR w.namespace_id IS NULL AS is_round OFFSET 0
      ) AS n
    WHERE w.no < ${NAMESPACES_A_CLAIM} AND (NOT n.is_round OR n.namespace_id >= $4)
  ), visited AS MATERIALIZED (
    SELECT namespace_id, no, ($2::int + count(*) OVER () - 1) / count(*) OVER () AS share FROM walk
    WHERE namespace_id IS NOT NULL AND no > 0
  ), wanted AS MATERIALIZED (
    SELECT v.namespace_id, s.* FROM visited v CROSS JOIN LATERAL (${bestOf(columns, from, "v.share")}) AS s LIMIT $2::int
  )`;

/** How many namespaces it visited, and after which the next walk begins: the one that had the last of $2 runs, or the last one. */
export const SHARED_COLUMNS = `, 'visited', (SELECT count(*)::int FROM visited), 'lastNamespaceId', coalesce(
    (SELECT namespace_id FROM wanted OFFSET $2::int - 1 LIMIT 1),
    (SELECT namespace_id FROM visited ORDER BY no DESC LIMIT 1))`;

/** The same of the namespaces $4 alone, whatever the share of each. */
export const bestOfSome = (columns: string, from: string) => `
  wanted AS MATERIALIZED (
    SELECT s.* FROM unnest($4::uuid[]) AS v(namespace_id) CROSS JOIN LATERAL (${bestOf(columns, from, "$2::int")}) AS s
    LIMIT $2::int
  )`;

/** The namespaces, of those of the runs, that had as many as their share: they may have more. */
export function findUnspent(
  runs: readonly { namespaceId: string }[],
  limit: number,
  visited: number,
): string[] {
  const share = Math.ceil(limit / visited);
  const counts = new Map<string, number>();
  for (const { namespaceId } of runs) counts.set(namespaceId, (counts.get(namespaceId) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= share).map(([namespaceId]) => namespaceId);
}

/** Of a store's claims. */
interface Sharing {
  /** The last one may have left runs that are due. */
  hasBacklog: boolean;
  /** The next walk begins after this namespace. */
  after: string;
}

const sharings = new WeakMap<Store["pool"], Sharing>();

export function sharingOf({ pool }: Pick<Store, "pool">): Sharing {
  const known = sharings.get(pool) ?? { hasBacklog: false, after: randomUUID() };
  sharings.set(pool, known);
  return known;
}
