/** Instants that become no runs, because their namespaces have reached their limit of runs for the day. */
import type { SkippedInstants } from "../../domain/skipped.ts";
import { utcDayOf } from "../../domain/utc-day.ts";
import type { DailyLimits } from "../daily-limits.ts";
import { takeDailyRuns } from "../daily-runs.ts";
import type { QueryScope } from "../database.ts";

/** What a look has decided of a task. */
export interface FiringTask {
  task: { own_namespace: string };
  /** Oldest first. */
  fires: Date[];
}

interface Fire<Decided> {
  of: Decided;
  at: Date;
}

/**
 * Takes the runs of the day for what is about to be staged; those instants that get none leave `fires`, and are what is
 * answered, by their tasks. Namespaces without a limit cost a look into a map. To be called once the tasks are locked: whoever
 * makes a run on somebody's word waits for a task first.
 *
 * @param isVirtual instants are those of a clock for tests: whatever they say, it is today
 */
export async function takeDailyRunsOf<Decided extends FiringTask>(
  tx: QueryScope,
  decided: readonly Decided[],
  { limitOf }: Pick<DailyLimits, "limitOf">,
  isVirtual: boolean,
): Promise<Map<Decided, SkippedInstants>> {
  const limited = decided.flatMap((of) => {
    const limit = of.fires.length > 0 ? limitOf(of.task.own_namespace) : undefined;
    return limit === undefined ? [] : [{ of, limit }];
  });
  const refused: Fire<Decided>[] = [];
  const byNamespace = Map.groupBy(limited, ({ of }) => of.task.own_namespace);
  for (const namespaceId of [...byNamespace.keys()].sort()) {
    const some = byNamespace.get(namespaceId)!;
    const fires = some
      .flatMap(({ of }) => of.fires.map((at) => ({ of, at })))
      .sort((one, other) => one.at.getTime() - other.at.getTime());
    // What is staged for the day to come counts on that.
    const byDay = Map.groupBy(fires, ({ at }) => (isVirtual ? undefined : utcDayOf(at).getTime()));
    for (const [dayMs, ofDay] of byDay) {
      const day = dayMs === undefined ? undefined : new Date(dayMs);
      const take = { namespaceId, limit: some[0]!.limit, day, count: ofDay.length };
      refused.push(...ofDay.slice((await takeDailyRuns(tx, take)).count));
    }
  }
  return skipRefused(refused);
}

/** One record for each task, however many of its instants. */
function skipRefused<Decided extends FiringTask>(refused: Fire<Decided>[]): Map<Decided, SkippedInstants> {
  const skipped = new Map<Decided, SkippedInstants>();
  for (const [of, some] of Map.groupBy(refused, (fire) => fire.of)) {
    const instants = new Set(some.map(({ at }) => at));
    of.fires = of.fires.filter((at) => !instants.has(at));
    const [first, last] = [some[0]!.at, some.at(-1)!.at];
    skipped.set(of, {
      ...{ reason: "limit", count: some.length },
      ...{ firstAt: first.toISOString(), lastAt: last.toISOString() },
    });
  }
  return skipped;
}
