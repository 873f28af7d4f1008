/**
 * A run's times by one clock, the database's. A worker that claimed a run was told when it began and counts the
 * attempt's times from there. Code that could not know, or has its own clock, says how long the attempt took; each log
 * line says how far into the attempt it came. The row says when it began, and no time derived this way is later than
 * now.
 */

/** SQL: the instant `ms` after `startedAt`; null `ms`: now. */
const after = (startedAt: string, ms: string) =>
  `least(${startedAt} + ${ms} * interval '1 millisecond', statement_timestamp())`;

// As the row's own instants are shown: rounded, an attempt could end after its run.
const inMs = (instant: string) => `date_trunc('milliseconds', ${instant})`;

/** SQL: the AttemptRecord of the attempt that began at `startedAt` and took `tookMs`; null: it ends now. */
export const recordInRowTime = (record: string, startedAt: string, tookMs: string): string =>
  `${record} || jsonb_build_object('startedAt', ${inMs(startedAt)}, 'finishedAt', ${inMs(after(startedAt, tookMs))})`;

/** SQL: when a line was written, `sinceMs` after its attempt began at `startedAt`. */
export const lineInRowTime = after;
