import { randomBytes } from "node:crypto";

/** A W3C `traceparent` where nothing is traced: the run is the trace, the attempt a new span of it, sampled. */
export function createTraceparent(runId: string): string {
  return `00-${runId.replaceAll("-", "")}-${randomBytes(8).toString("hex")}-01`;
}
