import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import { systemClock } from "../clock.ts";
import { BellhopError, messageOf } from "../errors.ts";
import type { Db, Store } from "./database.ts";
import { isDatabaseAway } from "./database-away.ts";
import { type ChooseStep, takeSteps as takeAll } from "./migration-steps.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as functionLimits from "./migrations/0002-function-limits.ts";
import * as revisionTraffic from "./migrations/0003-revision-traffic.ts";
import * as secrets from "./migrations/0004-secrets.ts";
import * as functionKv from "./migrations/0005-function-kv.ts";
import * as removedHooksIdempotency from "./migrations/0006-remove-functions-hooks-idempotency.ts";
import * as directLane from "./migrations/0007-direct-lane.ts";
import * as workerLoad from "./migrations/0008-worker-load.ts";
import * as traceContext from "./migrations/0009-trace-context.ts";
import * as workerReceive from "./migrations/0010-worker-receive.ts";
import * as runFences from "./migrations/0011-run-fences.ts";
import * as skippedRuns from "./migrations/0013-skipped-runs.ts";
import * as limitsByKey from "./migrations/0014-limits-by-key.ts";
import * as taskPolicy from "./migrations/0015-task-policy.ts";
import * as mailbox from "./migrations/0016-mailbox.ts";
import * as taskEnds from "./migrations/0017-task-ends.ts";
import * as revisionEnv from "./migrations/0018-revision-env.ts";
import * as replays from "./migrations/0019-replays.ts";
import * as listFilters from "./migrations/0020-list-filters.ts";
import * as bulkActions from "./migrations/0021-bulk-actions.ts";
import * as runDeadlines from "./migrations/0022-run-deadlines.ts";
import * as taskPauses from "./migrations/0023-task-pauses.ts";
import * as callAttempts from "./migrations/0024-call-attempts.ts";
import * as signingSecrets from "./migrations/0025-signing-secrets.ts";
import * as callbacks from "./migrations/0026-callbacks.ts";
import * as events from "./migrations/0027-events.ts";
import * as errorGroups from "./migrations/0028-error-groups.ts";
import * as keptAnswers from "./migrations/0030-kept-answers.ts";
import * as deferredRuns from "./migrations/0032-deferred-runs.ts";
import * as taskKeys from "./migrations/0034-task-keys.ts";
import * as taskChanges from "./migrations/0035-task-changes.ts";
import * as scheduleCursors from "./migrations/0036-schedule-cursors.ts";
import * as heldRuns from "./migrations/0038-held-runs.ts";
import * as enqueuedTasks from "./migrations/0042-enqueued-tasks.ts";
import * as calendars from "./migrations/0043-calendars.ts";
import * as expectations from "./migrations/0045-expectations.ts";
import * as backfills from "./migrations/0048-backfills.ts";
import * as virtualClock from "./migrations/0049-virtual-clock.ts";
import * as queues from "./migrations/0050-queues.ts";
import * as rates from "./migrations/0051-rates.ts";
import * as upcomingOrder from "./migrations/0057-upcoming-order.ts";
import * as returnedPermits from "./migrations/0058-returned-permits.ts";
import * as priorities from "./migrations/0059-priorities.ts";
import * as claimsInShares from "./migrations/0060-claims-in-shares.ts";
import * as turns from "./migrations/0061-turns.ts";
import * as dueLimits from "./migrations/0062-due-limits.ts";
import * as joinableRuns from "./migrations/0063-joinable-runs.ts";
import * as debouncedTasks from "./migrations/0064-debounced-tasks.ts";
import * as exclusionLooks from "./migrations/0065-exclusion-looks.ts";
import * as uncountedLimits from "./migrations/0066-uncounted-limits.ts";
import * as sharesOfIntake from "./migrations/0067-shares-of-intake.ts";
import * as hookPlaces from "./migrations/0068-hook-places.ts";
import * as keys from "./migrations/0069-keys.ts";
import * as namespaces from "./migrations/0070-namespaces.ts";
import * as auditLog from "./migrations/0073-audit-log.ts";
import * as endedKeys from "./migrations/0074-ended-keys.ts";
import * as namespaceLimits from "./migrations/0075-namespace-limits.ts";
import * as guardedHooks from "./migrations/0076-guarded-hooks.ts";
import * as waitingCallers from "./migrations/0079-waiting-callers.ts";
import * as signInCodes from "./migrations/0080-sign-in-codes.ts";
import * as namespaceEgress from "./migrations/0081-namespace-egress.ts";
import * as tokenSubjects from "./migrations/0083-token-subjects.ts";
import * as openStreams from "./migrations/0085-open-streams.ts";
import * as dailyRuns from "./migrations/0086-daily-runs.ts";
import * as erasures from "./migrations/0087-erasures.ts";
import * as auditEvents from "./migrations/0088-audit-events.ts";
import * as activity from "./migrations/0092-activity.ts";
import * as coldStarts from "./migrations/0093-cold-starts.ts";
import * as errorHours from "./migrations/0094-error-hours.ts";
import * as storedBytes from "./migrations/0095-stored-bytes.ts";
import * as slotsShares from "./migrations/0096-slots-shares.ts";
import * as storedTotals from "./migrations/0097-stored-totals.ts";
import * as lighterAnalyze from "./migrations/0104-lighter-analyze.ts";
import { ensurePartitions, partitionsStand } from "./partitions.ts";
import { type ReadOptions, readSchema } from "./read-schema.ts";
import { judgeSchema, type SchemaJudgement } from "./schema-rule.ts";
import { openUnbounded } from "./unbounded.ts";

const MIGRATIONS: Record<string, Migration> = {
  "0001-initial": initial,
  "0002-function-limits": functionLimits,
  "0003-revision-traffic": revisionTraffic,
  "0004-secrets": secrets,
  "0005-function-kv": functionKv,
  "0006-remove-functions-hooks-idempotency": removedHooksIdempotency,
  "0007-direct-lane": directLane,
  "0008-worker-load": workerLoad,
  "0009-trace-context": traceContext,
  "0010-worker-receive": workerReceive,
  "0011-run-fences": runFences,
  "0013-skipped-runs": skippedRuns,
  "0014-limits-by-key": limitsByKey,
  "0015-task-policy": taskPolicy,
  "0016-mailbox": mailbox,
  "0017-task-ends": taskEnds,
  "0018-revision-env": revisionEnv,
  "0019-replays": replays,
  "0020-list-filters": listFilters,
  "0021-bulk-actions": bulkActions,
  "0022-run-deadlines": runDeadlines,
  "0023-task-pauses": taskPauses,
  "0024-call-attempts": callAttempts,
  "0025-signing-secrets": signingSecrets,
  "0026-callbacks": callbacks,
  "0027-events": events,
  "0028-error-groups": errorGroups,
  "0030-kept-answers": keptAnswers,
  "0032-deferred-runs": deferredRuns,
  "0034-task-keys": taskKeys,
  "0035-task-changes": taskChanges,
  "0036-schedule-cursors": scheduleCursors,
  "0038-held-runs": heldRuns,
  "0042-enqueued-tasks": enqueuedTasks,
  "0043-calendars": calendars,
  "0045-expectations": expectations,
  "0048-backfills": backfills,
  "0049-virtual-clock": virtualClock,
  "0050-queues": queues,
  "0051-rates": rates,
  "0057-upcoming-order": upcomingOrder,
  "0058-returned-permits": returnedPermits,
  "0059-priorities": priorities,
  "0060-claims-in-shares": claimsInShares,
  "0061-turns": turns,
  "0062-due-limits": dueLimits,
  "0063-joinable-runs": joinableRuns,
  "0064-debounced-tasks": debouncedTasks,
  "0065-exclusion-looks": exclusionLooks,
  "0066-uncounted-limits": uncountedLimits,
  "0067-shares-of-intake": sharesOfIntake,
  "0068-hook-places": hookPlaces,
  "0069-keys": keys,
  "0070-namespaces": namespaces,
  "0073-audit-log": auditLog,
  "0074-ended-keys": endedKeys,
  "0075-namespace-limits": namespaceLimits,
  "0076-guarded-hooks": guardedHooks,
  "0079-waiting-callers": waitingCallers,
  "0080-sign-in-codes": signInCodes,
  "0081-namespace-egress": namespaceEgress,
  "0083-token-subjects": tokenSubjects,
  "0085-open-streams": openStreams,
  "0086-daily-runs": dailyRuns,
  "0087-erasures": erasures,
  "0088-audit-events": auditEvents,
  "0092-activity": activity,
  "0093-cold-starts": coldStarts,
  "0094-error-hours": errorHours,
  "0095-stored-bytes": storedBytes,
  "0096-slots-shares": slotsShares,
  "0097-stored-totals": storedTotals,
  "0104-lighter-analyze": lighterAnalyze,
};

const NAMES = Object.keys(MIGRATIONS);

/** Of two releases, the later one has the later name. */
export const NEWEST_MIGRATION = NAMES.at(-1)!;
/** Finished runs and logs have somewhere to go today and tomorrow. */
const NEEDED_DAYS = 1;
const PARTITION_WAIT_MS = 2_000;

export interface MigrateOptions extends ReadOptions {
  now?: Date;
  /** What goes on, one line each. */
  report?(line: string): void;
  /** Ends the waiting; rejects with its reason. */
  signal?: AbortSignal | undefined;
}

type MigrateStore = Pick<Store, "db" | "sessionUrl">;

/**
 * Brings the schema up to date, under a lock, so that any number of roles may start at once. Where nothing is to be
 * done, which is nearly always, one statement says so: a worker that is woken from zero waits for it. What passes by
 * waiting is waited for, but for a database that is away: then it rejects with what said so.
 */
export async function migrateUp(store: MigrateStore, options: MigrateOptions = {}): Promise<string[]> {
  const now = options.now ?? new Date();
  try {
    const { isReady, pending } = await readSchema(store.db, NAMES, now, options);
    if (isReady) return [];
    const done = pending.length === 0 ? [] : await takeSteps(chooseUp, store, options);
    await makePartitions(store.db, now, options);
    return done;
  } catch (error) {
    throw isDatabaseAway(error) || options.signal?.aborted ? error : toUnusable(error);
  }
}

/** Takes the newest migration back. */
export async function migrateDown(store: MigrateStore, options: MigrateOptions = {}): Promise<string[]> {
  let target: string | undefined;
  return await takeSteps(
    (applied) => {
      target ??= applied.at(-1);
      if (target === undefined || !applied.includes(target)) return undefined;
      const migration = MIGRATIONS[target];
      if (!migration)
        throw toUnusable(new Error(`${target} is a later release's: have that one take it back`));
      return { name: target, direction: "down", migration };
    },
    store,
    options,
  );
}

/** Whether everything is there that this code knows. */
export async function isMigrated(db: Db): Promise<boolean> {
  return (await judge(db)).pending.length === 0;
}

/** For readiness: throws a sentence where this release cannot work on the schema, also one that changed under it. */
export async function demandSchema(db: Db): Promise<void> {
  const { pending, refusal } = await judge(db);
  if (refusal !== undefined) throw new Error(refusal);
  if (pending.length > 0) throw new Error("the schema is not up to date");
}

async function judge(db: Db): Promise<SchemaJudgement> {
  const { rows } = await sql<{ name: string }>`SELECT name FROM kysely_migration`.execute(db);
  return judgeSchema(
    rows.map(({ name }) => name),
    NAMES,
  );
}

async function takeSteps(
  choose: ChooseStep,
  { db: lookDb, sessionUrl }: MigrateStore,
  { clock = systemClock, report = () => {}, signal }: MigrateOptions,
): Promise<string[]> {
  const { db, close } = openUnbounded(sessionUrl);
  try {
    return await takeAll(choose, { db, lookDb, clock, report, signal });
  } finally {
    // Who is stopped does not wait for a statement that takes long.
    if (signal?.aborted) void close();
    else await close();
  }
}

const chooseUp: ChooseStep = (applied) => {
  const { pending, refusal } = judgeSchema(applied, NAMES);
  if (refusal !== undefined) throw new Error(refusal);
  const [name] = pending;
  return name === undefined ? undefined : { name, direction: "up", migration: MIGRATIONS[name]! };
};

const LOCK_NOT_AVAILABLE = "55P03";

/** A long reader keeps the tables locked: then the days to come are the scheduler's, as long as today has its own. */
async function makePartitions(db: Db, now: Date, options: MigrateOptions): Promise<void> {
  const { clock = systemClock, report = () => {}, signal } = options;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await ensurePartitions(db, now);
    } catch (error) {
      if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    }
    const { rows } = await sql<{ stand: boolean }>`
      SELECT ${partitionsStand(now, NEEDED_DAYS)} AS stand`.execute(db);
    if (rows[0]!.stand) return report("partitions of days to come are not made yet: their table is locked");
    report("today's partitions wait for a lock on their table; tried again");
    await clock.sleep(PARTITION_WAIT_MS, signal);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

/** What whoever runs Bellhop has to do about it. */
const REMEDIES: [RegExp, string][] = [
  [/^28/, "Correct the user or the password in DATABASE_URL"],
  [/^3D000$/, "Create that database, or correct its name in DATABASE_URL"],
  [/^42501$/, "Let the user of DATABASE_URL create tables in its schema"],
];

function toUnusable(error: unknown): BellhopError {
  if (error instanceof BellhopError) return error;
  const remedy = REMEDIES.find(([codes]) => codes.test(codeOf(error) ?? ""))?.[1];
  const message = `The PostgreSQL of DATABASE_URL cannot be used: ${messageOf(error)}.`;
  return new BellhopError("database_unusable", 500, remedy ? `${message} ${remedy}.` : message);
}
