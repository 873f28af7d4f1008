/**
 * What kafkajs says, and how much of it is told. Some of its errors are none: members of a group come and go, and a
 * coordinator moves; it sees to these. In an outage it repeats itself many times a second.
 */
import type { Clock } from "../clock.ts";

/** By Kafka's protocol: REBALANCE_IN_PROGRESS, GROUP_COORDINATOR_NOT_AVAILABLE, GROUP_LOAD_IN_PROGRESS, … */
const GROUP_CHANGES = new Set([
  "The group is rebalancing, so a rejoin is needed",
  "The group coordinator is not available",
  "The coordinator is loading and hence can't process requests for this group",
  "This is not the correct coordinator for this group",
  "The group member needs to have a valid member id before actually entering a consumer group",
]);

/** Of a log entry. Where kafkajs gives up on one of these it says so in other words. */
export function isGroupChange({ message, error }: { message: string; error?: unknown }): boolean {
  return GROUP_CHANGES.has(message) || (typeof error === "string" && GROUP_CHANGES.has(error));
}

export interface OutageLog {
  /** Answers whether this is to be told: the first failure, then one a minute, with how many were not told before. */
  failed(): { isTold: boolean; untold: number };
  /** Answers whether there was an outage, which is over now. */
  healed(): boolean;
}

const REMIND_MS = 60_000;

/** For what fails over and over while something is away. */
export function createOutageLog(clock: Clock): OutageLog {
  let toldMs: number | undefined;
  let untold = 0;
  return {
    failed() {
      const nowMs = clock.now().getTime();
      const isTold = toldMs === undefined || Math.abs(nowMs - toldMs) >= REMIND_MS;
      const answer = { isTold, untold };
      if (isTold) toldMs = nowMs;
      untold = isTold ? 0 : untold + 1;
      return answer;
    },
    healed() {
      const wasAway = toldMs !== undefined;
      toldMs = undefined;
      untold = 0;
      return wasAway;
    },
  };
}
