import type { Json } from "../../core/json.ts";

/** What a run begins with: the executor's number for it, its input, its facts. Crosses as JSON. */
export type GuestStart = [no: number, input: Json, facts: GuestFacts];

/** What the guest makes its Context of; instants in milliseconds since 1970. */
export interface GuestFacts {
  runId: string;
  attempt: number;
  scheduledFor: number;
  deadlineAt: number;
  env: Record<string, string>;
  logLines: number;
  resultBytes: number;
}
