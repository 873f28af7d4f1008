/**
 * Migrations, one after another, each in a transaction of its own under one lock of all. Their statements may take as
 * long as they take; for the locks they need they wait briefly, because everybody queues behind who waits, and try again.
 *
 * Not the library's migrator: that runs all in one transaction and one session, waits for its lock in silence for an
 * hour, and refuses a schema with a later release's migrations. Its table and its lock are kept.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Clock } from "../clock.ts";
import { formatDuration } from "../duration.ts";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";
import type { Db } from "./database.ts";

const LOCK_TIMEOUT_MS = 2_000;
/** Who holds the lock is looked up while it is waited for. */
const LOOK_AFTER_MS = 1_000;
const IDLE_TIMEOUT_MS = 30_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;
/** A lock that was not had in time, or a deadlock that chose us. */
const PASSING = new Set(["55P03", "40P01"]);

export interface MigrationParts {
  /** For the migrations; its statements are not bounded. */
  db: Db;
  /** For a look meanwhile. */
  lookDb: Db;
  clock: Clock;
  /** What goes on, one line each; of a step none twice. */
  report(line: string): void;
  signal?: AbortSignal | undefined;
}

/** What a step does under the lock; undefined: nothing is left to do. */
export type ChooseStep = (applied: string[]) => MigrationStep | undefined;

export interface MigrationStep {
  name: string;
  direction: "up" | "down";
  migration: Migration;
}

/** Takes steps until none is left; answers their names. Rejects with the signal's reason when it aborts. */
export async function takeSteps(choose: ChooseStep, parts: MigrationParts): Promise<string[]> {
  const { clock, signal } = parts;
  const said = new Set<string>();
  const report = (line: string) => {
    if (!said.has(line)) parts.report(line);
    said.add(line);
  };
  const done: string[] = [];
  for (let waitMs = FIRST_WAIT_MS; ; ) {
    signal?.throwIfAborted();
    const taken = await tryStep(choose, { ...parts, report });
    if (taken === "none") return done;
    if (taken === "wait") {
      await clock.sleep(waitMs, signal);
      waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
    } else {
      done.push(taken.name);
      said.clear();
      waitMs = FIRST_WAIT_MS;
    }
  }
}

async function tryStep(choose: ChooseStep, parts: MigrationParts): Promise<MigrationStep | "none" | "wait"> {
  const { db, clock, report } = parts;
  const at: { step?: MigrationStep | undefined } = {};
  let forget = () => {};
  let holders = "";
  try {
    return await db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ got: boolean; pid: number }>`
        SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}`}, true),
          set_config('idle_in_transaction_session_timeout', ${`${IDLE_TIMEOUT_MS}`}, true),
          pg_try_advisory_xact_lock(${sql.lit(ADVISORY_LOCKS.migrate)}) AS got, pg_backend_pid() AS pid`.execute(
        tx,
      );
      if (!rows[0]!.got) {
        report("another process migrates the schema; waiting for it");
        return "wait";
      }
      const step = choose(await listApplied(tx));
      at.step = step;
      if (!step) return "none";
      const startedMs = clock.now().getTime();
      report(`migration ${step.name}: ${step.direction}`);
      forget = clock.after(LOOK_AFTER_MS, () => {
        findHolders(parts.lookDb, rows[0]!.pid).then(
          (found) => (holders = found),
          () => {},
        );
      });
      await carryOut(tx, step);
      const took = formatDuration(Math.max(1, clock.now().getTime() - startedMs));
      report(`migration ${step.name}: done in ${took}`);
      return step;
    });
  } catch (error) {
    if (!at.step || !PASSING.has((error as { code?: string }).code ?? "")) throw error;
    report(`migration ${at.step.name} waits for a lock${holders && `, held by ${holders}`}; tried again`);
    return "wait";
  } finally {
    forget();
  }
}

async function carryOut(tx: Db, { name, direction, migration }: MigrationStep): Promise<void> {
  if (direction === "up") {
    await migration.up(tx);
    await sql`INSERT INTO kysely_migration (name, timestamp)
      VALUES (${name}, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`.execute(
      tx,
    );
  } else {
    await migration.down!(tx);
    await sql`DELETE FROM kysely_migration WHERE name = ${name}`.execute(tx);
  }
}

/** Under the lock: whoever comes first makes the table. */
async function listApplied(tx: Db): Promise<string[]> {
  await sql`CREATE TABLE IF NOT EXISTS kysely_migration (
    name varchar(255) PRIMARY KEY, timestamp varchar(255) NOT NULL)`.execute(tx);
  const { rows } = await sql<{ name: string }>`
    SELECT name FROM kysely_migration ORDER BY name COLLATE "C"`.execute(tx);
  return rows.map(({ name }) => name);
}

/** `bellhop-api (process 12)`; who may not watch others sees their numbers alone. */
async function findHolders(db: Db, pid: number): Promise<string> {
  const { rows } = await sql<{ pid: number; name: string }>`
    SELECT b.pid, coalesce(nullif(a.application_name, ''), 'somebody') AS name
    FROM unnest(pg_blocking_pids(${pid})) AS b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
    ORDER BY b.pid LIMIT 5`.execute(db);
  return rows.map(({ pid: holder, name }) => `${name} (process ${holder})`).join(", ");
}
