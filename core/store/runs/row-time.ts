/**
 * A run's times by one clock, the database's. Who ran an attempt tells its beginning, its end and its lines by the clock
 * it has, which may be minutes off; the row says when the attempt began. What was told is moved by the difference, and
 * ends no later than now.
 */
const MS = "'milliseconds'";

const isoText = (instant: string) =>
  `to_char((${instant}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const told = (record: string, name: "startedAt" | "finishedAt") => `(${record} ->> '${name}')::timestamptz`;

/** SQL: by how much the times of an AttemptRecord are to be moved where its attempt began at `startedAt`. */
export const shiftToRowTime = (record: string, startedAt: string): string =>
  `coalesce(date_trunc(${MS}, ${startedAt}) - ${told(record, "startedAt")}, interval '0')`;

/** SQL: the AttemptRecord of the attempt that began at `startedAt`. */
export const recordInRowTime = (record: string, startedAt: string): string => {
  const finishedAt = `${told(record, "finishedAt")} + ${shiftToRowTime(record, startedAt)}`;
  return `${record} || jsonb_build_object('startedAt', ${isoText(startedAt)},
    'finishedAt', ${isoText(`least(greatest(${finishedAt}, ${startedAt}), statement_timestamp())`)})`;
};

/** SQL: the AttemptRecord of an attempt that is ended now, by somebody who did not run it. */
export const recordEndedNow = (record: string, startedAt: string): string =>
  `${record} || jsonb_build_object('startedAt', ${isoText(startedAt)}, 'finishedAt', ${isoText("statement_timestamp()")})`;
