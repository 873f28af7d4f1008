/**
 * What kafkajs says, and how much of it is told. Some of its errors are none: members of a group come and go, a
 * coordinator or a leader moves, a topic was just made; it sees to these. In an outage it repeats itself many times a second.
 */
import type { Clock } from "../clock.ts";

/** By Kafka's protocol: REBALANCE_IN_PROGRESS, GROUP_COORDINATOR_NOT_AVAILABLE, NOT_LEADER_FOR_PARTITION, … */
const CLUSTER_CHANGES = new Set([
  "The group is rebalancing, so a rejoin is needed",
  "The group coordinator is not available",
  "The coordinator is loading and hence can't process requests for this group",
  "This is not the correct coordinator for this group",
  "The group member needs to have a valid member id before actually entering a consumer group",
  "This server is not the leader for that topic-partition",
  "There is no leader for this topic-partition as we are in the middle of a leadership election",
  "This server does not host this topic-partition",
  "Topic creation errors",
]);

/** Of a log entry. Where kafkajs gives up on one of these it says so in other words. */
export function isClusterChange({ message, error }: { message: string; error?: unknown }): boolean {
  return CLUSTER_CHANGES.has(message) || (typeof error === "string" && CLUSTER_CHANGES.has(error));
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
