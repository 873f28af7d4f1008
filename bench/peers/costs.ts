/** What a piece of work costs a system: processor time by process, bytes of PostgreSQL's log, memory at its end. */
import type pg from "pg";
import {
  processorUsByProcess,
  proportionalMbByProcess,
  residentMbByProcess,
  ticksByProcess,
} from "../process-times.ts";

export interface CountedSystem {
  /** The first of its processes: what they start is its own, too. */
  readonly roots: number[];
  /** Absent: it keeps nothing in PostgreSQL. */
  db?: pg.Pool;
}

export interface Costs {
  /** Of one item. */
  processorUs: Record<string, number>;
  walBytes?: number;
  /** Of all processes together. */
  residentMb: number;
  proportionalMb: number;
}

/** The names that processes have in tables. This process calls, and answers what runs call. */
const SHOWN: Record<string, string> = { runtime: "worker", java: "Kafka", "redis-server": "Redis" };
const OWN = "client";

const sumOf = (byProcess: Map<string, number>) =>
  [...byProcess.values()].reduce((sum, each) => sum + each, 0);

async function readWalPosition({ db }: CountedSystem): Promise<number> {
  if (!db) return 0;
  const { rows } = await db.query<{ bytes: number }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes",
  );
  return rows[0]!.bytes;
}

/** Counting begins now. The function that it answers ends it. */
export async function beginCosts(system: CountedSystem): Promise<(items: number) => Promise<Costs>> {
  const walBefore = await readWalPosition(system);
  const ticks = ticksByProcess(system.roots);
  const own = process.cpuUsage();
  return async (items) => {
    const { user, system: kernel } = process.cpuUsage(own);
    const processorUs: Record<string, number> = {};
    for (const [name, us] of processorUsByProcess(system.roots, ticks, items))
      processorUs[SHOWN[name] ?? name] = us;
    processorUs[OWN] = (processorUs[OWN] ?? 0) + (user + kernel) / items;
    return {
      processorUs,
      ...(system.db ? { walBytes: ((await readWalPosition(system)) - walBefore) / items } : {}),
      residentMb: sumOf(residentMbByProcess(system.roots)),
      proportionalMb: sumOf(proportionalMbByProcess(system.roots)),
    };
  };
}
