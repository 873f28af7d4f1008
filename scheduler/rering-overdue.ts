/**
 * Which overdue runs are rung again. A backlog is not a lost bell: each run is rung again after 1 s, then after twice
 * as long each time, up to a minute, so that busy workers are not flooded with bells they cannot serve.
 */
import type { Bell } from "../core/queue/transport.ts";

const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;

export interface ReringBackoff {
  /** Of the overdue runs, those whose turn it is; remembers them, and forgets those no longer overdue. */
  choose(overdue: Bell[], now: Date): Bell[];
}

export function createReringBackoff(): ReringBackoff {
  let known = new Map<string, { ringAtMs: number; waitMs: number }>();
  return {
    choose(overdue, now) {
      const next = new Map<string, { ringAtMs: number; waitMs: number }>();
      const chosen: Bell[] = [];
      for (const bell of overdue) {
        const entry = known.get(bell.runId) ?? { ringAtMs: now.getTime(), waitMs: FIRST_WAIT_MS };
        if (entry.ringAtMs <= now.getTime()) {
          chosen.push(bell);
          next.set(bell.runId, {
            ringAtMs: now.getTime() + entry.waitMs,
            waitMs: Math.min(entry.waitMs * 2, MAX_WAIT_MS),
          });
        } else next.set(bell.runId, entry);
      }
      known = next;
      return chosen;
    },
  };
}
