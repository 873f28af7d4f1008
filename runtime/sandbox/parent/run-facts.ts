/** What a run is sent with: its limits for the executor, its facts for the guest. */
import type { HttpRequestHead } from "../../../core/contracts/http-call.ts";
import type { JsonOrSource } from "../../../core/json-source.ts";
import type { GuestStart, HttpFacts } from "../../../functions/guest/guest-start.ts";
import type { InvokedRun } from "../protocol/messages.ts";
import type { ExecutorRun } from "./executor-run.ts";

export function toInvokedRun({ id, wallMs, job }: ExecutorRun): InvokedRun {
  return { id, wallMs, cpuMs: job.invocation.limits.cpuMs };
}

/** As `writeJson` writes it. */
type WrittenStart = [no: GuestStart[0], input: JsonOrSource, facts: GuestStart[2]];

export function toGuestStart({ id, wallMs, job }: ExecutorRun): WrittenStart {
  const { runId, attempt, trigger, scheduledFor, cron, env, input, limits } = job.invocation;
  const { logLines, resultBytes } = limits;
  const facts: GuestStart[2] = {
    runId,
    attempt,
    trigger,
    scheduledFor: scheduledFor.getTime(),
    deadlineAt: Date.now() + wallMs,
    env,
    logLines,
    resultBytes,
    wallMs,
  };
  if (cron !== undefined) facts.cron = cron;
  if (job.options.http) facts.http = toHttpFacts(job.options.http.head);
  return [id, input, facts];
}

function toHttpFacts({ body, ...head }: HttpRequestHead): HttpFacts {
  return body === undefined ? head : { ...head, bodyChars: body.length };
}

/** What goes behind the starts of runs: the short bodies of their requests, unescaped. */
export function bodiesOf(runs: readonly ExecutorRun[]): string {
  return runs.map(({ job }) => job.options.http?.head.body ?? "").join("");
}
