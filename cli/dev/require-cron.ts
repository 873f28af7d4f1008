import { usageFailure } from "../failure.ts";

/** Refuses what no Bellhop takes for a cron expression: one need not be started to find that. */
export async function requireCron(expression: string, now: Date): Promise<void> {
  // Loaded here: no other command reads one.
  const { findCronFault } = await import("../../core/domain/schedule/cron.ts");
  const { translateForeign } = await import("../../core/domain/schedule/cron-dialects.ts");
  const translated = translateForeign(expression.trim());
  // An interval, which the Bellhop takes for one.
  if (translated && "every" in translated) return;
  const fault = findCronFault(translated?.cron ?? expression, now);
  if (fault !== undefined) throw usageFailure(`--cron ${JSON.stringify(expression)}: ${fault}.`);
}
