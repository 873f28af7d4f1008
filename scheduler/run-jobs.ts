/** Runs the background jobs, each at its period: how long it rests, and for whom it waits. */
import { startLoop } from "../core/loop-rest.ts";
import { type Job, type JobContext, PassedOver } from "./job.ts";
import { listJobs } from "./jobs.ts";
import { ASLEEP_MS, PATIENT_MS, type Quiet, untilRound } from "./quiet.ts";
import { createReringBackoff, type ReringBackoff } from "./rering-overdue.ts";

/** What a pass says of the next one: in how many milliseconds it is to come, if not after the job's period. */
interface Passed {
  nextMs?: number | undefined;
  hasFailed?: boolean;
}

async function runJob(
  { name, run, pace }: Job,
  context: JobContext,
  backoff: ReringBackoff,
  stopping: AbortSignal,
): Promise<Passed> {
  const { metrics, clock, log } = context;
  const done = metrics.jobSeconds.startTimer({ name });
  try {
    const answer = await run(context, backoff, stopping);
    if (answer instanceof PassedOver) return { nextMs: answer.restMs };
    metrics.jobDoneAt.set({ name }, clock.now().getTime() / 1_000);
    return { nextMs: pace?.(answer) };
  } catch (error) {
    metrics.jobErrors.inc({ name });
    log.error({ job: name, error }, "a background job failed");
    return { hasFailed: true };
  } finally {
    done();
  }
}

/** How long a job rests that would rest for `ms` where something goes on. */
export function restAfter(
  { serves, isPatient, leastEveryMs = Number.POSITIVE_INFINITY }: Job,
  ms: number,
  quiet: Quiet,
): number {
  if (!serves) return ms;
  const restMs = quiet.stretch(ms, serves, isPatient ? PATIENT_MS : ASLEEP_MS);
  return Math.min(restMs, Math.max(ms, leastEveryMs));
}

/** Those that keep their period whatever goes on come too seldom to matter. */
function takeTurn<Answer>(
  { isPrompt, serves }: Job,
  quiet: Quiet,
  pass: () => Promise<Answer>,
  stopping: AbortSignal,
): Promise<Answer | undefined> {
  if (isPrompt) return quiet.promptly(pass, stopping);
  return serves ? quiet.inTurn(pass, stopping) : pass();
}

/** Runs each job at once and then at its period; one that fails is logged and comes again. */
export function startJobs(quiet: Quiet, context: JobContext): { stop(): Promise<void> } {
  const jobs = listJobs(context.leaseMs, quiet, context.aheadMs);
  const { metrics } = context;
  for (const { name } of jobs) {
    metrics.jobErrors.inc({ name }, 0);
    // Where it never passes, its alert counts from here.
    metrics.jobDoneAt.set({ name }, context.clock.now().getTime() / 1_000);
  }
  const backoff = createReringBackoff();
  const loops = jobs.map((job) => {
    const look = async (stopping: AbortSignal) => {
      const pass = () => runJob(job, context, backoff, stopping);
      const { nextMs = job.everyMs, hasFailed } = (await takeTurn(job, quiet, pass, stopping)) ?? {};
      // One that failed comes again as if something went on: what it was to do is not done.
      const restMs = hasFailed ? job.everyMs : restAfter(job, nextMs, quiet);
      metrics.jobRestSeconds.set({ name: job.name }, restMs / 1_000);
      if (hasFailed || !job.serves || !quiet.isAsleep()) return restMs;
      return untilRound(restMs, context.clock.steadyMs());
    };
    const loop = startLoop(context.clock, look, { retryMs: job.everyMs, failed: () => {} });
    if (job.serves) quiet.onLively(loop.wake);
    return loop;
  });
  return {
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
