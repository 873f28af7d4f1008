import { randomUUID } from "node:crypto";

/** A W3C `traceparent` where nothing is traced: the run is the trace, the attempt a new span of it, sampled. */
export function createTraceparent(runId: string): string {
  return `00-${runId.replaceAll("-", "")}-${createSpanId()}-01`;
}

/** Of the digits of a UUID that are random: Node makes those by the hundred, and asks the system for each `randomBytes`. */
function createSpanId(): string {
  const uuid = randomUUID();
  return uuid.slice(0, 4) + uuid.slice(24);
}
