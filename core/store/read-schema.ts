/** What a start reads of its server and schema, in one statement: versions, whether it takes writes, migrations, the time. */
import { sql } from "kysely";
import { type Clock, systemClock } from "../clock.ts";
import type { Db } from "./database.ts";
import { partitionsStand } from "./partitions.ts";
import { judgeSchema } from "./schema-rule.ts";

/** The server keys and statements are written for. */
const LEAST_VERSION = 150_000;
const UNDEFINED_TABLE = "42P01";
const READ_ONLY = "25006";

interface ServerFacts {
  version: number;
  isReadOnly: boolean;
  at: Date;
}

const SERVER_FACTS = sql`current_setting('server_version_num')::int AS version,
  current_setting('transaction_read_only')::boolean AS "isReadOnly", clock_timestamp() AS at`;

export interface ReadOptions {
  clock?: Clock;
  /** Takes the database's word of its time. */
  hearTime?(word: { at: Date }, askedMs: number): void;
}

/**
 * Throws where this release must not run on it.
 * @param names of the migrations that this release knows
 */
export async function readSchema(
  db: Db,
  names: string[],
  now: Date,
  { clock = systemClock, hearTime }: ReadOptions,
): Promise<{ isReady: boolean; pending: string[] }> {
  try {
    const { rows, askedMs } = await db.connection().execute(async (connected) => {
      // It does not count how long the connection took.
      const askedMs = clock.steadyMs();
      const { rows } = await sql<ServerFacts & { names: string[]; stand: boolean }>`
        SELECT ARRAY(SELECT name::text FROM kysely_migration) AS names, ${partitionsStand(now)} AS stand,
          ${SERVER_FACTS}`.execute(connected);
      return { rows, askedMs };
    });
    demandServer(rows[0]!);
    hearTime?.(rows[0]!, askedMs);
    const { pending, refusal } = judgeSchema(rows[0]!.names, names);
    if (refusal !== undefined) throw new Error(refusal);
    return { isReady: rows[0]!.stand && pending.length === 0, pending };
  } catch (error) {
    if ((error as { code?: string }).code !== UNDEFINED_TABLE) throw error;
    const { rows } = await sql<ServerFacts>`SELECT ${SERVER_FACTS}`.execute(db);
    demandServer(rows[0]!);
    return { isReady: false, pending: names };
  }
}

function demandServer({ version, isReadOnly }: ServerFacts): void {
  if (version < LEAST_VERSION)
    throw new Error(`it is version ${Math.floor(version / 10_000)}, and 15 or later is needed`);
  // A standby becomes the primary, and a server that was closed for writing is opened again.
  if (isReadOnly)
    throw Object.assign(new Error("the server takes no writes: it is a standby or read-only"), {
      code: READ_ONLY,
    });
}
