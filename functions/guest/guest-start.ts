import type { Json } from "../../core/json.ts";

/** What a run begins with: the executor's number for it, its input, its facts. Crosses as JSON. */
export type GuestStart = [no: number, input: Json, facts: GuestFacts];

/** What the guest makes its Context of; instants in milliseconds since 1970. */
export interface GuestFacts {
  runId: string;
  attempt: number;
  scheduledFor: number;
  /** The cron expression that the run was due by. */
  cron?: string;
  /** Of the first of a batch. */
  deadlineAt: number;
  env: Record<string, string>;
  logLines: number;
  resultBytes: number;
  wallMs: number;
  /** What made the run: `schedule`, `manual`, `invoke`, `http`, `hook`. */
  trigger: string;
  /** Of a run over HTTP. */
  http?: HttpFacts;
}

/** The request of a run over HTTP. */
export interface HttpFacts {
  method: string;
  /** Absolute. */
  url: string;
  headers: [name: string, value: string][];
  /** Whether the body follows in messages. */
  hasBody: boolean;
  /** Of a short body that is text: it comes behind the starts, after those of the runs before. */
  bodyChars?: number;
  /** That body, which the guest puts here. */
  body?: string;
}
