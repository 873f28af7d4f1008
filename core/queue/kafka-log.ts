/** What kafkajs says as an error and is none: members of a group come and go, and a coordinator moves. It sees to these. */

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
