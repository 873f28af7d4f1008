/**
 * Which namespaces may begin only so many runs a day, or none while they store as much as they may, as each process that makes
 * runs knows it: read once for all of them, and anew when the bell of a change rings, or who asks finds them to be a while old.
 */
import type { Clock } from "../clock.ts";
import { BellhopError } from "../errors.ts";
import {
  countDailyRuns,
  type DailyCount,
  returnDailyRuns,
  type TakenRuns,
  takeDailyRun,
  takeDailyRuns,
} from "./daily-runs.ts";
import type { QueryScope } from "./database.ts";
import type { Listener } from "./listen.ts";
import { FULL_FROM } from "./stored-bytes.ts";

const KEPT_MS = 900;

export interface DailyLimits {
  /** Whether any namespace has one, as far as is known right now. */
  isAny(): boolean;
  /** Undefined: as many as come; 0: no more for now. Of what is known right now, without a look. */
  limitOf(namespaceId: string): number | undefined;
  /** Once it resolves, what was changed before is known. */
  refresh(): Promise<void>;
  /**
   * Counts a run, and makes it; 429 where the namespace has had those of the day, or is full. One that is not made, where it is
   * undefined or `make` throws, is not counted.
   *
   * @param isPart of a transaction, which does nothing further: it holds what others wait for
   */
  counting<Made>(
    scope: QueryScope,
    namespaceId: string,
    make: () => Promise<Made>,
    isPart?: boolean,
  ): Promise<Made>;
  /**
   * Counts a run that is about to be made; or those that a transaction has made, as the last that it does: a refusal takes
   * them back.
   */
  count(scope: QueryScope, namespaceId: string, runs?: number): Promise<void>;
}

export interface DailyLimitsParts {
  store: QueryScope;
  listener: Pick<Listener, "on">;
  clock: Clock;
  /** They could not be read: those that were read last hold. */
  onError(error: unknown): void;
}

export function createDailyLimits({ store, listener, clock, onError }: DailyLimitsParts): DailyLimits {
  let limits: ReadonlyMap<string, BeginLimits> = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  /** Somebody wants to know what was changed while they were read. */
  let isStale = false;

  async function readAll(): Promise<void> {
    try {
      do {
        isStale = false;
        readAtMs = clock.steadyMs();
        limits = await listBeginLimits(store);
      } while (isStale);
    } finally {
      reading = undefined;
    }
  }

  function refresh(): Promise<void> {
    isStale = true;
    reading ??= readAll();
    return reading;
  }

  function limitsOf(namespaceId: string): BeginLimits | undefined {
    if (!reading && clock.steadyMs() - readAtMs > KEPT_MS) refresh().catch(onError);
    return limits.get(namespaceId);
  }

  function limitOf(namespaceId: string): number | undefined {
    const { full, runsPerDay } = limitsOf(namespaceId) ?? {};
    return full ? 0 : (runsPerDay ?? undefined);
  }

  /** Undefined: they are not counted. Throws where there is no room for all of them. */
  async function take(scope: QueryScope, namespaceId: string, runs: number): Promise<TakenRuns | undefined> {
    const { full, runsPerDay: limit = null } = limitsOf(namespaceId) ?? {};
    if (runs === 0) return undefined;
    if (full) throw toFullRefusal(full, clock.now());
    if (limit === null) return undefined;
    const taken = await (runs === 1
      ? takeDailyRun(scope, { namespaceId, limit })
      : takeDailyRuns(scope, { namespaceId, limit, count: runs }));
    if (taken.count === runs) return taken;
    throw toRefusal(limit, await countDailyRuns(scope, namespaceId));
  }

  async function count(scope: QueryScope, namespaceId: string, runs = 1): Promise<void> {
    await take(scope, namespaceId, runs);
  }

  void listener.on("bellhop_keys", () => void refresh().catch(onError));
  return {
    ...{ limitOf, refresh, count },
    isAny: () => limits.size > 0,
    async counting(scope, namespaceId, make, isPart = false) {
      if (limitOf(namespaceId) === undefined) return await make();
      if (isPart) {
        const made = await make();
        if (made !== undefined) await count(scope, namespaceId);
        return made;
      }
      const taken = await take(scope, namespaceId, 1);
      let made: Awaited<ReturnType<typeof make>> | undefined;
      try {
        made = await make();
        return made;
      } finally {
        if (made === undefined && taken) await returnDailyRuns(scope, namespaceId, taken).catch(onError);
      }
    },
  };
}

/** What keeps a namespace from beginning runs. */
interface BeginLimits {
  runsPerDay: number | null;
  /** It stores as much as it may; null: it does not. */
  full: { storedBytes: number; roomFrom: Date | null } | null;
}

async function listBeginLimits({ pool }: QueryScope): Promise<ReadonlyMap<string, BeginLimits>> {
  const { rows } = await pool.query<ListedLimits>({ name: "list-begin-limits", text: LIST });
  return new Map(
    rows.map(({ id, runsPerDay, storedBytes, roomFrom }) => [
      id,
      { runsPerDay, full: storedBytes === null ? null : { storedBytes, roomFrom } },
    ]),
  );
}

/** `storedBytes`: null where it is not full. */
interface ListedLimits {
  id: string;
  runsPerDay: number | null;
  storedBytes: number | null;
  roomFrom: Date | null;
}

const LIST = `
  SELECT n.id, (n.limits ->> 'runsPerDay')::int AS "runsPerDay", t."storedBytes", t."roomFrom"
  FROM namespaces n LEFT JOIN LATERAL (${FULL_FROM}) AS t ON true
  WHERE n.limits ->> 'runsPerDay' IS NOT NULL OR n.limits ->> 'storedBytes' IS NOT NULL`;

function toFullRefusal({ storedBytes, roomFrom }: NonNullable<BeginLimits["full"]>, now: Date): BellhopError {
  const until = roomFrom
    ? `begins runs again from ${roomFrom.toISOString()}, when its oldest are removed`
    : "begins runs again once it stores less";
  const message = `the namespace may store ${storedBytes.toLocaleString("en-US")} bytes, and ${until}, or when an operator allows more`;
  const seconds = roomFrom ? Math.max(1, Math.ceil((roomFrom.getTime() - now.getTime()) / 1_000)) : undefined;
  const fields = [{ field: "storedBytes", message }];
  return new BellhopError("rate_limited", 429, `storedBytes: ${message}.`, fields, seconds);
}

function toRefusal(limit: number, { resetsAt, untilResetMs }: DailyCount): BellhopError {
  const message = `the namespace may begin ${limit.toLocaleString("en-US")} runs a day, and may again from ${resetsAt.toISOString()}`;
  const seconds = Math.max(1, Math.ceil(untilResetMs / 1_000));
  const fields = [{ field: "runsPerDay", message }];
  return new BellhopError("rate_limited", 429, `runsPerDay: ${message}.`, fields, seconds);
}

/** Nothing is counted. */
export const NO_DAILY_LIMITS: DailyLimits = {
  isAny: () => false,
  limitOf: () => undefined,
  refresh: async () => {},
  counting: (_scope, _namespaceId, make) => make(),
  count: async () => {},
};
