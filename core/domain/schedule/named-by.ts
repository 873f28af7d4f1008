/** Which of its expressions a schedule fired by. Pure. */
import { nextCron } from "./cron.ts";
import { DEFAULT_CLOCK_CHANGES } from "./local-times.ts";
import type { CronSchedule } from "./schedule.ts";

/** What is needed of a schedule for that. */
export type CronClock = Pick<CronSchedule, "expression" | "timezone" | "gap" | "repeat">;

/**
 * The expression that names the instant. Of several that do, the first, and so where none does: a run that somebody
 * asked for, or one that was made before the schedule changed.
 */
export function findNamingCron({ expression, timezone, gap, repeat }: CronClock, at: Date): string {
  if (typeof expression === "string") return expression;
  const changes = {
    ...DEFAULT_CLOCK_CHANGES,
    ...(gap && { gap }),
    ...(repeat && { repeat }),
  };
  const atMs = at.getTime();
  const names = (one: string) => {
    try {
      return nextCron(one, timezone, atMs - 1, changes) === atMs;
    } catch {
      // Nothing that a run should fail for: a zone that is not known any more, a search that came to its bounds.
      return false;
    }
  };
  return expression.find(names) ?? expression[0] ?? "";
}
