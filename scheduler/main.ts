/** The scheduler: decides what is due, rings it at its instant, rescues what was lost. Any number share the work. */
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings, type SettingName } from "../core/config/settings.ts";
import { openConnections, SHARED_SETTINGS } from "../core/connections.ts";
import { collectOnceAtRest } from "../core/processes/collect-once.ts";
import { tellUnsentBells } from "../core/queue/bounded-sends.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../core/role.ts";
import { openRunEnds } from "../core/run-ends/open-run-ends.ts";
import { trueTime, type VirtualTime } from "../core/schedule-time.ts";
import { createLeaseJudge } from "../core/store/contact.ts";
import { createDailyLimits } from "../core/store/daily-limits.ts";
import { readDemand } from "../core/store/demand.ts";
import { closeDueRuns } from "../core/store/joins/joinable-runs.ts";
import { listWorkers } from "../core/store/workers.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createDatabaseStatsMetrics } from "../core/telemetry/metrics/database-stats.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createSchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";
import { answerProbes } from "../core/telemetry/probes.ts";
import { createRetryAging } from "./age-retries.ts";
import { startCloseLoop } from "./close-joinable.ts";
import { countRescued } from "./count-rescued.ts";
import { withDemand } from "./demand-page.ts";
import { openPodApi } from "./pods/pod-api.ts";
import { startPodMarker } from "./pods/pod-marker.ts";
import { createQuiet, NEVER_QUIET, stirAtFailures } from "./quiet.ts";
import { createRinger } from "./ring-ahead.ts";
import { startJobs } from "./run-jobs.ts";
import { startStageLoop } from "./stage.ts";

export const SCHEDULER_SETTINGS = [
  ...SHARED_SETTINGS,
  "WORKER_LEASE",
  "BELLHOP_RETENTION_DAYS",
  "BELLHOP_AUDIT_RETENTION_DAYS",
  "WORKERS_AHEAD",
  "WORKERS_POD_DELETION_COST",
  ...FUNCTION_CAP_SETTINGS,
] as const satisfies SettingName[];
const DEFAULTS = { PORT: "8081" };
const MARKED_WORKERS = 1_000;

/** @param given what schedules see, where it is not the true time; shared with the API */
export async function startScheduler(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  given?: VirtualTime,
): Promise<Role> {
  const settings = readSettings(SCHEDULER_SETTINGS, env, DEFAULTS);
  const log = createLogger("scheduler", settings.LOG_LEVEL, settings.LOG_FAILED_RUNS);
  const registry = createRegistry("scheduler");
  const metrics = createSchedulerMetrics(registry);
  await using opened = new AsyncDisposableStack();
  const connections = await openConnections(opened, {
    role: "scheduler",
    settings,
    maxConnections: 6,
    leaseMs: settings.WORKER_LEASE,
    ...{ clock: systemClock, log, registry, signal },
  });
  const { store, clock, notifier, listener, transport, tracer, door } = connections;
  const time = given ?? trueTime(clock);

  const ringer = createRinger(transport, clock, {
    rung: () => {},
    failed: tellUnsentBells(log),
  });
  opened.defer(() => ringer.close());
  const aging = createRetryAging(store, clock, (error) =>
    log.warn({ error }, "retries for whose sake a queue rested come after others"),
  );
  opened.defer(() => aging.close());
  const daily = createDailyLimits({
    ...{ store, listener, clock },
    onError: (error) => log.warn({ error }, "limits of runs a day were not read; tried again soon"),
  });
  await connections.untilAnswered(() => daily.refresh());
  const ends = openRunEnds({ store, notifier, transport, log, metrics }, [countRescued(metrics, log)]);
  const quiet = time.isVirtual ? NEVER_QUIET : createQuiet(clock);
  stirAtFailures(listener, quiet);
  const loop = startStageLoop(
    store,
    clock,
    {
      staged({ staged, skipped, retries, firstRetries, settled }, tookMs) {
        metrics.stageSeconds.observe(tookMs / 1_000);
        metrics.stagedAt.setToCurrentTime();
        metrics.staged.inc(staged.length);
        for (const { reason, count } of [...skipped, ...settled.skipped])
          metrics.skipped.inc({ reason }, count);
        metrics.retried.inc(retries.length);
        ringer.add([...staged, ...settled.started, ...retries]);
        aging.add(firstRetries);
        const { ended, asked } = settled.cancelled;
        ends.tell(ended);
        if (asked.length > 0) notifier.notify("bellhop_cancel", asked);
      },
      failed(error) {
        metrics.stageErrors.inc();
        log.error({ error }, "staging failed; tried again soon");
      },
    },
    { tracer, time, daily, quiet },
  );
  opened.defer(() => loop.stop());
  if (time.isVirtual) time.onAdvance(() => loop.wake());
  listener.on("bellhop_schedule", () => loop.wake());
  const closing = startCloseLoop(clock, () => closeDueRuns(store), quiet, {
    closed: (runs) => ringer.add(runs),
    failed: (error) => log.error({ error }, "runs that calls may join were not looked at; tried again soon"),
  });
  opened.defer(() => closing.stop());
  listener.on("bellhop_joins", () => closing.wake());
  const jobs = startJobs(quiet, {
    ...{ store, clock, time, transport, notifier },
    hearTime: clock.hear,
    ends,
    log,
    metrics,
    stats: createDatabaseStatsMetrics(registry),
    leaseMs: settings.WORKER_LEASE,
    judge: createLeaseJudge(settings.WORKER_LEASE),
    functionCaps: toFunctionCaps(settings),
    daily,
    retentionDays: settings.BELLHOP_RETENTION_DAYS,
    auditRetentionDays: settings.BELLHOP_AUDIT_RETENTION_DAYS,
    aheadMs: settings.WORKERS_AHEAD,
  });
  opened.defer(() => jobs.stop());
  if (settings.WORKERS_POD_DELETION_COST === "true") {
    const marker = startPodMarker({
      listWorkers: () => listWorkers(store, MARKED_WORKERS),
      openApi: () => openPodApi(env),
      clock,
      log,
    });
    opened.defer(() => marker.stop());
  }
  const probes = connections.createProbes();
  const pages = withDemand(probes, () => readDemand(store, settings.WORKERS_AHEAD));
  door.open(answerProbes(pages));
  opened.defer(() => door.close());
  log.info({ port: door.port, transport: transport.name }, "scheduler started");
  return runningRole(door.port, opened.move(), (message) => log.info(`scheduler ${message}`));
}

export const schedulerProgram: RoleProgram = {
  command: "npm run scheduler",
  purpose: "decides what is due and rings it at its instant",
  settings: SCHEDULER_SETTINGS,
  defaults: DEFAULTS,
  start: (env, signal) => startScheduler(env, signal),
};

if (import.meta.main) {
  collectOnceAtRest();
  await runRole(schedulerProgram);
}
