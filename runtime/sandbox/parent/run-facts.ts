/** What a run is sent with: its limits for the executor, its facts for the guest. */
import type { GuestStart } from "../../../functions/guest/guest-start.ts";
import type { InvokedRun } from "../protocol/messages.ts";
import type { ExecutorRun } from "./executor-run.ts";

export function toInvokedRun({ id, job }: ExecutorRun): InvokedRun {
  const { wallMs, cpuMs } = job.invocation.limits;
  return { id, wallMs, cpuMs };
}

export function toGuestStart({ id, job }: ExecutorRun): GuestStart {
  const { runId, attempt, trigger, scheduledFor, cron, deadlineAt, env, input, limits } = job.invocation;
  const { logLines, resultBytes, wallMs } = limits;
  return [
    id,
    input,
    {
      runId,
      attempt,
      trigger,
      scheduledFor: scheduledFor.getTime(),
      ...(cron === undefined ? {} : { cron }),
      deadlineAt: deadlineAt.getTime(),
      env,
      logLines,
      resultBytes,
      wallMs,
      ...(job.options.http ? { http: job.options.http.head } : {}),
    },
  ];
}
