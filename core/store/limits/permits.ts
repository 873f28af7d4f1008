/**
 * Limits by key. A run names the limits that hold for it (`limit_keys`, if they do not follow from its function and its
 * queue); each key that has a limit is a row of `run_limits`, which counts the permits that runs hold. A run that starts
 * takes a permit of each of its keys that has a row, remembers them (`permits`), and gives them back when it stops running.
 *
 * States of a queued run with keys: claimable → waiting (`waiting_for`, in the line of `waiting_key`; no claim looks at
 * it) → granted (it holds its permits, and is claimed like a run without limits; `waiting_key` stays) → running. Where
 * one of its limits is a rate it is not granted but called: it may be claimed, and takes its permits then, so that a start
 * counts when it is one, however long no worker came. Only
 * running (or deferred) and granted runs hold their `permits`: in any other row they are what it held before.
 *
 * The lock of a key is its row's. A count changes in the transaction that changes the run, so the two agree in every
 * snapshot; where that could not be, the key is counted anew (`recountReturned`), never counted off.
 *
 * Where plenty of permits are left, those that come back are laid beside the count, in `returned_permits`, by a statement
 * that waits for nobody. Until they are counted off, the count is too high by as many, and never too low: a claim of the
 * key does that, unless it expects that to be far off (far-limits.ts), whoever finds too few permits left, and the scheduler
 * each second (fold-returned.ts). Order of locks: rows of runs, then rows of limits, these sorted by key in one statement of the transaction. Who begins with the limits
 * (admit-runs.ts, grant-permits.ts, recount-permits.ts) leaves rows of runs alone that others have locked. So nobody waits
 * in a circle.
 */
import { DEFAULT_QUEUE, functionKey, namespaceKey } from "../../domain/limit-keys.ts";
import { MOST_LATE_MS } from "../../domain/rate.ts";
import { byIndex } from "../by-index.ts";
import { unindexed } from "../unindexed.ts";

/** As `rate_used_until_ms` has instants. */
export const NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::float8";

/** `functionKey` (core/domain/limit-keys.ts) in SQL, of an expression for a uuid. */
export const functionKeySql = (functionId: string) => `'${functionKey("")}' || ${functionId}`;

/** `queueKey` the same. */
export const queueKeySql = (namespaceId: string, queue: string) =>
  `'queue:' || ${namespaceId} || '/' || ${queue}`;

/** The limits that may hold for the runs of a function (SQL, a uuid or null). */
export const functionKeys = (functionId: string) =>
  `CASE WHEN ${functionId} IS NOT NULL THEN ARRAY[${functionKeySql(functionId)}] END`;

/**
 * Of a run `r`, what is not named in its row, so that runs pay for it only where there is such a limit. Which namespaces have
 * one is looked up once in a statement, by an index that is empty as long as none has.
 */
const hasUnnamed = (key: string) =>
  `r.namespace_id = ANY(ARRAY(SELECT d.namespace_id FROM run_limits d WHERE d.is_default AND starts_with(d.key, '${key}')))`;

/** Of the queue `default`, where it names no key there. */
const DEFAULT_QUEUE_KEYS = `CASE WHEN r.queue IS NULL AND ${hasUnnamed("queue:")}
  THEN ARRAY[${queueKeySql("r.namespace_id", `'${DEFAULT_QUEUE}'`)}] END`;

/** Of its namespace. */
const NAMESPACE_KEYS = `CASE WHEN ${hasUnnamed(namespaceKey(""))} THEN ARRAY['${namespaceKey("")}' || r.namespace_id] END`;

/**
 * Of a run or a task, those that follow from its function and its queue: they are stored only where it names keys in its
 * queue besides, all of them together.
 */
export const impliedKeys = (
  row: string,
) => `${functionKeys(`${row}.function_id`)} || CASE WHEN ${row}.queue IS NOT NULL
    THEN ARRAY[${queueKeySql(`${row}.namespace_id`, `${row}.queue`)}] END`;

/** Those of a run `r`, but for what holds for it without being named. */
export const NAMED_KEYS = `coalesce(r.limit_keys, ${impliedKeys("r")})`;

/** Those of a run `r`. */
export const LIMIT_KEYS = `(${NAMED_KEYS} || ${DEFAULT_QUEUE_KEYS}
  || ${NAMESPACE_KEYS})`;

/** A run that was granted its permits and has not started. */
export const GRANTED =
  "r.state = 'queued' AND r.waiting_key IS NOT NULL AND r.waiting_for IS NULL AND r.permits IS NOT NULL";

/** A run that was called up, since one of its limits is a rate: it may be claimed, and takes its permits then. */
export const CALLED =
  "r.state = 'queued' AND r.waiting_key IS NOT NULL AND r.waiting_for IS NULL AND r.permits IS NULL";

/** A run that waits for a permit. */
export const WAITING = "r.state = 'queued' AND r.waiting_for = 'concurrency' AND r.waiting_key";

/** Where a queued run `r` stands: one of `Standing`, or null where it is held for another reason (core/store/runs/held.ts). */
export const STANDING = `CASE WHEN r.waiting_for = 'concurrency' THEN 'waiting' WHEN r.waiting_for IS NULL THEN
    CASE WHEN r.waiting_key IS NULL THEN 'claimable' WHEN r.permits IS NULL THEN 'called' ELSE 'granted' END END`;

export type Standing = "claimable" | "waiting" | "called" | "granted";

/** The same with an array that is empty for a run without any. */
export const SOME_KEYS = `coalesce(${LIMIT_KEYS}, '{}')`;

/**
 * A run `r` stands where it stood when a row of this name (id, keys, standing) was read, and names the same keys: what was
 * decided about it holds. Between the two its row was not locked.
 */
export const isAsSeen = (seen: string) =>
  `${unindexed("r.state")} = 'queued' AND ${STANDING} = ${seen}.standing AND ${SOME_KEYS} = ${seen}.keys`;

/** What a claim must know of a run `r` that it wants: the keys it needs permits of, and the permits it was granted. */
export const WANTED_PERMITS = `CASE WHEN r.waiting_key IS NULL OR r.permits IS NULL THEN ${LIMIT_KEYS} END AS keys,
  CASE WHEN r.waiting_key IS NOT NULL THEN r.permits END AS granted`;

/** Of a row `w` of `wanted`: whether none of its keys has a limit. One look for all rows; it takes and locks nothing. */
export const HAS_NO_LIMIT = `NOT coalesce(w.keys && (
    SELECT array_agg(l.key) FROM run_limits l WHERE l.key = ANY(ARRAY(SELECT DISTINCT unnest(keys) FROM wanted))
  ), false)`;

/** The fewest permits that are plenty. */
export const PLENTY = 64;

/**
 * Of a limit `l`: plenty of its permits are left. Nobody waits for one, nor will somebody by the time that a statement
 * ends which sees this; should it be otherwise, the scheduler's next look grants what lies in `returned_permits`.
 */
const IS_ROOMY = `NOT l.has_waiting AND l.concurrency - l.permits_held >= greatest(${PLENTY}, l.concurrency / 2)`;

/** Of a limit `l`, had it so many permits out: plenty are left, and will be when as many runs as a quarter of it have come and gone. */
export const staysRoomy = (held: string) =>
  `NOT l.has_waiting AND l.concurrency - (${held}) >= greatest(${PLENTY}, l.concurrency / 2) + l.concurrency / 4`;

/** Of a limit `l`: how many of its permits were given back and are still counted as held. */
export const RETURNED = "(SELECT coalesce(sum(b.count), 0)::int FROM returned_permits b WHERE b.key = l.key)";

/** Of a limit `l`: since when its runs may start, as far as a pause of their queue goes. */
const PAUSED_UNTIL_MS = `(SELECT extract(epoch FROM q.paused_until)::float8 * 1000 FROM run_limits q
  WHERE q.key = coalesce(l.parent_key, l.key))`;

/** `takeStarts` (core/domain/rate.ts) in SQL: takes so many starts of the rate of a row `l`, if it has one. */
export const useRate = (count: string, fromMs = NOW_MS) => `rate_used_until_ms =
    CASE WHEN ${count} > 0 AND l.rate_interval_ms IS NOT NULL
      THEN greatest(l.rate_used_until_ms, ${fromMs}) + ${count} * l.rate_interval_ms
      ELSE l.rate_used_until_ms END`;

/** The same where runs may wait for the limit. */
export const useRateOfLine = (count: string) =>
  useRate(
    count,
    `CASE WHEN l.has_waiting THEN least(${NOW_MS}, greatest(${PAUSED_UNTIL_MS},
        ${NOW_MS} - greatest(0, least(l.rate_interval_ms - 1, ${MOST_LATE_MS})))) ELSE ${NOW_MS} END`,
  );

/** Of a limit `l`, of which `n.count` runs want a permit: there is one for each, and nobody else waits. */
const FITS = `l.concurrency IS NULL OR (NOT l.has_waiting AND l.permits_held + n.count <= l.concurrency
        AND coalesce(greatest(l.paused_until, l.uncounted_until) <= clock_timestamp(), true)
        AND coalesce(greatest(l.rate_used_until_ms, ${NOW_MS}) + (n.count - l.rate_burst) * l.rate_interval_ms <= ${NOW_MS},
          true))`;

// A bigint: a count that is full may be the highest int.
const WANTED_KEY_COUNTS = `(SELECT key, count(*) AS count FROM (SELECT unnest(keys) AS key FROM wanted) AS k GROUP BY key)`;

/**
 * The limits of the runs of a CTE `wanted` (id, keys), locked: a CTE `limits` (key, fits, makes_keys). All that want a key get their
 * permits, or none does: then it is decided one by one (admit-runs.ts), as it is where others wait. It sees the newest
 * counts, for it waits for each lock; nothing in it is looked up again when it had to wait.
 */
export const LOCK_LIMITS = `
  limits AS MATERIALIZED (
    SELECT l.key, l.per_key IS NOT NULL AS makes_keys, ${FITS} AS fits
    FROM ${WANTED_KEY_COUNTS} AS n JOIN run_limits l ON ${byIndex("l.key", "n.key")}
    ORDER BY l.key FOR UPDATE OF l
  ), all_limits AS MATERIALIZED (
    SELECT array_agg(key) AS keys, bool_and(fits) AS fit FROM limits
  )`;

/** Beside each row `w` of `wanted`: all that have a limit. A run whose keys are among them is looked at no further. */
export const ALL_LIMITS = "CROSS JOIN all_limits a";

/** Of a row `w` of `wanted`: the permits that it starts with, and whether there are all of them. */
export const PERMITS = `coalesce(CASE WHEN w.keys <@ a.keys THEN w.keys
    ELSE (SELECT array_agg(l.key) FROM limits l WHERE l.key = ANY(w.keys)) END, w.granted)`;
/** A key of a queue that has no row yet gets one where it is decided one by one. */
export const HAS_PERMITS = `(w.keys <@ a.keys AND a.fit
    OR NOT EXISTS (SELECT FROM limits l WHERE l.key = ANY(w.keys) AND NOT l.fits)
      AND (array_remove(w.keys, ${functionKeySql("w.function_id")}) <@ a.keys
        OR NOT EXISTS (SELECT FROM limits q WHERE q.makes_keys AND q.key = ANY(w.keys))))`;

/** Takes the permits of the runs of a CTE `chosen` (granted, permits, is_free) that are free to start. */
const takePermits = (changes: string) => `
  permits_taken AS (
    UPDATE run_limits l SET permits_held = greatest(l.permits_held + t.count, 0), ${useRate("t.starts")}
    FROM (${changes}) AS t
    WHERE ${byIndex("l.key", "t.key")}
  )`;
const TAKEN_OF = `SELECT key, count(*)::int AS count, count(*)::int AS starts
      FROM (SELECT unnest(permits) AS key FROM chosen WHERE is_free AND granted IS NULL) AS p GROUP BY key`;
export const TAKE_FAR_PERMITS = takePermits(TAKEN_OF);
/** The same; counts off what was given back. */
export const TAKE_PERMITS = `
  folded AS (
    DELETE FROM returned_permits WHERE key = ANY(ARRAY(SELECT key FROM limits)) RETURNING key, count
  ), ${takePermits(`
      SELECT c.key, sum(c.count)::int AS count, sum(c.starts)::int AS starts FROM (
        ${TAKEN_OF}
        UNION ALL SELECT key, -count, 0 FROM folded
      ) AS c GROUP BY c.key`)}`;

/**
 * The permits of the runs of `wanted` where all that name a key name one and the same, taken with its lock in one step: a
 * CTE `of_one` (keys). It is empty where they name several, where the key has no limit or too few permits, or may make
 * others: then nothing is taken.
 */
export const TAKE_OF_ONE = `
  named AS MATERIALIZED (
    SELECT min(key) AS key, max(count) AS count FROM ${WANTED_KEY_COUNTS} AS k HAVING count(*) = 1
  ), of_one AS (
    UPDATE run_limits l SET permits_held = l.permits_held + n.count, ${useRate("n.count")}
    FROM named n WHERE ${byIndex("l.key", "n.key")} AND l.per_key IS NULL AND (${FITS})
    RETURNING ARRAY[l.key] AS keys
  )`;

/** As `ALL_LIMITS`, `PERMITS` and `HAS_PERMITS`, of that one. */
export const ONE_KEY = "LEFT JOIN of_one o ON true";
export const PERMITS_OF_ONE = "CASE WHEN w.keys IS NULL THEN w.granted ELSE o.keys END";
export const HAS_PERMITS_OF_ONE = "(w.keys IS NULL OR o.keys IS NOT NULL)";

/**
 * Gives back the permits of the rows of a CTE, one that has taken or deleted them, which hold theirs: a CTE
 * `permits_back` of the keys of which few are left, and whether runs wait for them.
 */
export const givePermitsBack = (source: string, holding = "true") => `
  coming_back AS MATERIALIZED (
    SELECT n.key, n.count, ${IS_ROOMY} AS is_roomy FROM (
      SELECT key, count(*)::int AS count FROM (SELECT unnest(permits) AS key FROM ${source} WHERE ${holding}) AS p
      GROUP BY key
    ) AS n JOIN run_limits l ON ${byIndex("l.key", "n.key")}
  ), laid_beside AS (
    INSERT INTO returned_permits (key, count) SELECT key, count FROM coming_back WHERE is_roomy
  ), freed AS MATERIALIZED (
    SELECT l.key, n.count FROM coming_back n JOIN run_limits l ON ${byIndex("l.key", "n.key")}
    WHERE n.is_roomy IS NOT TRUE ORDER BY l.key FOR UPDATE OF l
  ), permits_back AS (
    UPDATE run_limits l SET permits_held = greatest(l.permits_held - f.count, 0) FROM freed f WHERE ${byIndex("l.key", "f.key")}
    RETURNING l.key, l.has_waiting
  )`;

/**
 * The same without a look at the count before, for who expects all of these limits to be far off (far-limits.ts): a CTE
 * `near` of the keys that are not. What came back of those is to be counted off at once (fold-returned.ts).
 */
export const layPermitsBeside = (source: string) => `
  laid_beside AS (
    INSERT INTO returned_permits (key, count)
    SELECT key, count(*) FROM (SELECT unnest(permits) AS key FROM ${source}) AS p GROUP BY key RETURNING key
  ), near AS MATERIALIZED (
    SELECT l.key FROM laid_beside b JOIN run_limits l ON ${byIndex("l.key", "b.key")} WHERE (${IS_ROOMY}) IS NOT TRUE
  )`;

/** Of a row whose permits were given back: those of its keys that runs wait for, to be granted (grant-permits.ts). */
export const WANTED_KEYS = `CASE WHEN permits IS NOT NULL THEN
    ARRAY(SELECT b.key FROM permits_back b WHERE b.has_waiting AND b.key = ANY(permits)) END AS "wantedKeys"`;
