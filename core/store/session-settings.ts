/** What a session of ours is like, and the ways to say it to the server: where one cannot be used, another must do. */

export type SessionSettings = Readonly<Record<string, string>>;

/**
 * jit costs more than it brings on statements of a millisecond. Each statement is planned for what the tables hold at
 * that moment: a plan kept from before a burst scans, for each run of a batch, all the runs that came since. No scan
 * of a whole table: the planner thinks a batch of ids larger and their table smaller than they are. A process that is
 * frozen inside a transaction must not keep its rows from the others; a statement is given up after a minute.
 */
export const SESSION: SessionSettings = {
  jit: "off",
  timezone: "UTC",
  plan_cache_mode: "force_custom_plan",
  enable_seqscan: "off",
  idle_in_transaction_session_timeout: "5s",
  statement_timeout: "1min",
};

/**
 * For statements of which planning would be a large part: the inserts, claims and ends of a few runs. Their texts leave
 * the planner few ways (`byIndex`, `unindexed`). No sort and no bitmap: a claim of what is due takes the first of a long
 * index, in its order.
 */
export const PLANNED_SESSION: SessionSettings = {
  ...SESSION,
  plan_cache_mode: "force_generic_plan",
  enable_sort: "off",
  enable_bitmapscan: "off",
};

/**
 * How long a connection keeps the plans of those. Which of several indexes is right shows when a table is larger than a
 * page or two: a table may be empty at one moment and hold ten thousand runs a second later.
 */
export const PLAN_KEPT_MS = 500;

/** Between the server and its client: one whose machine is gone must not keep its locks. */
const KEEPALIVES: SessionSettings = {
  tcp_keepalives_idle: "15",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};

/** For the startup packet: no statement is spent. A pooler passes none of it on, and most refuse it. */
export function toStartupOptions(settings: SessionSettings): string {
  return Object.entries({ ...settings, ...KEEPALIVES })
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}

/** For a connection that has its session to itself. */
export function toStatements(settings: SessionSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `SET ${name} TO '${value}'`)
    .join("; ");
}

/** For one transaction of a session that others use too. The time zone is the connection's. */
export function toLocalStatements({ timezone: _zone, ...settings }: SessionSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `SET LOCAL ${name} TO '${value}'`)
    .join("; ");
}

/** A query for those of the settings that the session it runs in lacks; another timeout than ours is the operator's choice. */
export const MISSING_SETTINGS = `
  SELECT wanted.name FROM (VALUES ${Object.entries(SESSION)
    .map(([name, value]) => `('${name}', '${value}')`)
    .join(", ")}) AS wanted(name, value)
  WHERE CASE WHEN wanted.name LIKE '%timeout' THEN current_setting(wanted.name) = '0'
    ELSE lower(current_setting(wanted.name)) <> lower(wanted.value) END`;
