import { needsWaking } from "../../core/domain/staging.ts";
import type { ApiParts } from "../environment.ts";

/** Rings for a new task, where schedulers might sleep through its first instant. */
export function wakeScheduler(
  { notifier, clock, time }: Pick<ApiParts, "notifier" | "clock" | "time">,
  nextRunAt: Date | null,
): void {
  // A clock for tests may be moved past any instant.
  if (time.isVirtual || needsWaking(nextRunAt, clock.now())) notifier.notify("bellhop_schedule");
}
