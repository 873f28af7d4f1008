import type { ExecutorProcess } from "./executor-process.ts";
import { JobQueue } from "./job-queue.ts";

/** A run that finds no room waits so long for a place before its namespace gets another executor. */
export const CROWDED_MS = 100;

/** A namespace: what of it waits, and the executors that serve it. */
export interface Tenant {
  readonly namespaceId: string;
  /** The first keeps isolates warm; the others, its companions, take what it has no room for. */
  readonly executors: ExecutorProcess[];
  readonly waiting: JobQueue;
  pumping: NodeJS.Immediate | undefined;
  /** Set while runs wait for others to share their batch. */
  gathering: NodeJS.Timeout | undefined;
  /** Set while runs wait for a place. */
  crowded: NodeJS.Timeout | undefined;
}

export function createTenant(namespaceId: string): Tenant {
  return {
    namespaceId,
    executors: [],
    waiting: new JobQueue(),
    pumping: undefined,
    gathering: undefined,
    crowded: undefined,
  };
}

export function isAtWork({ executors }: Tenant): boolean {
  return executors.some(({ runningCount }) => runningCount > 0);
}

export function isFull({ executors }: Tenant): boolean {
  return executors.length > 0 && executors.every(({ state, hasRoom }) => state === "ready" && !hasRoom);
}

/**
 * When the run that waits longest will have waited long enough for another executor. Time in which an executor was
 * still to come does not count: the runs that waited for it may all be short.
 */
export function crowdedAt({ executors, waiting }: Tenant, now: number): number {
  let since = waiting.oldestAt ?? now;
  for (const { assignedAt, readyAt = now } of executors) since = Math.max(since, assignedAt, readyAt);
  return since + CROWDED_MS;
}

/** When the run that waits longest will have waited long enough for its first executor, for a companion to take it. */
function overdueAt({ executors, waiting }: Tenant, now: number): number {
  const { assignedAt, readyAt = now } = executors[0]!;
  return Math.max(waiting.oldestAt ?? now, assignedAt, readyAt) + CROWDED_MS;
}

/**
 * Whether what waits is to wait on although a companion has room: the first's isolates are warm, and it will soon have a
 * place, for runs in it end, or has one and is only behind with reading.
 */
export function waitsForItsFirst(tenant: Tenant, now: number): boolean {
  const first = tenant.executors[0]!;
  const isMoving = first.hasRoom || now - first.lastEndAt < CROWDED_MS;
  return isMoving && overdueAt(tenant, now) > now;
}

/** When to look again what becomes of those that wait. */
export function relievedAt(tenant: Tenant, now: number): number {
  const at = overdueAt(tenant, now);
  return at > now ? at : crowdedAt(tenant, now);
}
