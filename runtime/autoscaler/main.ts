/** The autoscaler: starts worker processes on this machine when there is work, and lets them go when there is none. */
import { networkInterfaces } from "node:os";
import { steadyClock, systemClock } from "../../core/clock.ts";
import { readSettings, type SettingName, type Settings } from "../../core/config/settings.ts";
import { BellhopError } from "../../core/errors.ts";
import { openFrontDoor } from "../../core/front-door.ts";
import { connectDatabase, openDatabase } from "../../core/open-database.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../../core/role.ts";
import { ADVISORY_LOCKS } from "../../core/store/advisory-locks.ts";
import { readLoad } from "../../core/store/demand.ts";
import { demandSchema } from "../../core/store/migrate.ts";
import { demandSecretsKey } from "../../core/store/secrets-key.ts";
import { openSessionLock, type SessionLock } from "../../core/store/session-lock.ts";
import { createLogger, type Logger } from "../../core/telemetry/log.ts";
import { type AutoscalerMetrics, createAutoscalerMetrics } from "../../core/telemetry/metrics/autoscaler.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { answerProbes, createProbes } from "../../core/telemetry/probes.ts";
import { chooseWorkerAddress } from "../direct/worker-address.ts";
import { createOutbound } from "../outbound.ts";
import { demandKafka, demandQueue } from "../receive-mode.ts";
import { WORKER_SETTINGS, WORKER_SURROUNDINGS } from "../worker-settings.ts";
import { createExpectedCall } from "./expected-call.ts";
import { createFleet, type Fleet } from "./fleet.ts";
import { launchWorker } from "./launch-worker.ts";
import { type ScaleParts, startScaleLoop } from "./scale-loop.ts";
import { withTargets } from "./targets-page.ts";
import { bundleWorker } from "./worker-bundle.ts";

/** A worker's address and port are its own: several stand on this machine. */
const HANDED_ON = WORKER_SETTINGS.filter((name) => name !== "WORKER_ADDRESS" && name !== "PORT");
export const AUTOSCALER_SETTINGS = [
  ...HANDED_ON,
  "PORT",
  "WORKERS_MIN",
  "WORKERS_MAX",
  "WORKERS_IDLE_AFTER",
  "WORKERS_AHEAD",
] as const satisfies SettingName[];
const DEFAULTS = { PORT: "8083" };

export async function startAutoscaler(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal = new AbortController().signal,
): Promise<Role> {
  const settings = readSettings(AUTOSCALER_SETTINGS, env, DEFAULTS);
  demandOrder(settings.WORKERS_MIN, settings.WORKERS_MAX);
  demandQueue(settings.WORKER_RECEIVE);
  demandKafka(settings.WORKER_RECEIVE, settings.KAFKA_BROKERS);
  const log = createLogger("autoscaler", settings.LOG_LEVEL, settings.LOG_FAILED_RUNS);
  // Its workers' affair, but for this: what they could not start with must not begin a row of crashes.
  await createOutbound(settings).close();
  const registry = createRegistry("autoscaler");
  const metrics = createAutoscalerMetrics(registry);
  metrics.max.set(settings.WORKERS_MAX);
  // A clock that is put right must not keep workers for an hour, or from starting.
  const clock = steadyClock;
  await using opened = new AsyncDisposableStack();
  const onError = (error: unknown) => log.warn({ error }, "database connection");
  const parts = { role: "autoscaler", settings, maxConnections: 3, clock: systemClock, onError };
  const connecting = connectDatabase(opened, parts);
  const door = await openFrontDoor(settings, registry);
  opened.defer(() => door.close());
  const { store, listener, untilAnswered, ...database } = await openDatabase(opened, connecting, {
    ...parts,
    ...{ door, log, signal },
  });
  // As above: its workers would refuse to start.
  await untilAnswered(() => demandSecretsKey(store, settings.BELLHOP_SECRETS_KEY));
  // One autoscaler of all that share the database starts workers at a time.
  const startLock = await untilAnswered(() => openSessionLock(store, ADVISORY_LOCKS.startWorkers, clock));
  opened.defer(() => startLock.close());

  const workerEnv = chooseWorkerEnv(env);
  const bundle = bundleWorker({
    env: workerEnv,
    onError: (error) =>
      log.warn(
        { error },
        "the worker's bundle, its snapshot or its rehearsal failed; workers start more slowly",
      ),
  });
  opened.defer(() => bundle.remove());
  const expected = createExpectedCall(clock);
  const fleet = createFleet({
    launch: () =>
      launchWorker(
        bundle,
        workerEnv,
        (detail) =>
          log.warn(
            { detail },
            "a worker did not start from the snapshot of its program; workers start without it, which is slower",
          ),
        expected.take(),
      ),
    drainMs: settings.WORKER_DRAIN,
    leaseMs: settings.WORKER_LEASE,
    clock,
    on: {
      started({ id, port }, startMs) {
        metrics.starts.inc();
        metrics.startSeconds.observe(startMs / 1_000);
        log.info({ workerId: id, workerPort: port, startMs }, "a worker is up");
      },
      crashed({ detail, waitMs }) {
        metrics.crashes.inc();
        log.error({ detail, waitMs }, "a worker ended unexpectedly; the next start waits");
      },
      changed() {
        showCounts(metrics, fleet);
        loop?.wake();
      },
    },
  });
  opened.defer(() => fleet.stop());
  showCounts(metrics, fleet);
  let loop: ReturnType<typeof startScaleLoop> | undefined;
  const collect = async () => {
    const askedMs = clock.steadyMs();
    const load = await readLoad(store, settings.WORKERS_AHEAD);
    database.clock.hear(load, askedMs);
    return load;
  };
  loop = startScaleLoop(createParts(settings, collect, startLock, fleet, log, metrics));
  opened.defer(() => loop?.stop());
  // Transports that ring through the database, those that do not, and instants that became known.
  const channels = ["bellhop_runs", "bellhop_demand", "bellhop_schedule"] as const;
  void listener.on("bellhop_demand", expected.hear);
  await Promise.all(channels.map((channel) => listener.on(channel, () => loop.wake())));

  const probes = createProbes(registry, { database: () => demandSchema(store.db) });
  const listAddresses = () =>
    fleet.ports().map((port) => chooseWorkerAddress(settings.HOST, port, networkInterfaces()));
  door.open(answerProbes(withTargets(probes, listAddresses)));
  opened.defer(() => door.close());
  const { WORKERS_MIN: min, WORKERS_MAX: max } = settings;
  log.info({ port: door.port, min, max }, "autoscaler started");
  const role = runningRole(door.port, opened.move(), (message) => log.info(`autoscaler ${message}`));
  return { ...role, abandon: () => fleet.kill() };
}

function createParts(
  settings: Pick<Settings, (typeof AUTOSCALER_SETTINGS)[number]>,
  collect: ScaleParts["collect"],
  startLock: SessionLock,
  fleet: Fleet,
  log: Logger,
  metrics: AutoscalerMetrics,
): ScaleParts {
  return {
    collect,
    fleet,
    startLock,
    limits: {
      minWorkers: settings.WORKERS_MIN,
      maxWorkers: settings.WORKERS_MAX,
      idleAfterMs: settings.WORKERS_IDLE_AFTER,
    },
    slots: settings.WORKER_SLOTS,
    aheadMs: settings.WORKERS_AHEAD,
    clock: steadyClock,
    on: {
      looked({ demand }, { workers, mode }) {
        metrics.wanted.set(workers);
        metrics.panic.set(mode === "panic" ? 1 : 0);
        metrics.demand.set({ kind: "due" }, demand.dueRuns);
        metrics.demand.set({ kind: "running" }, Math.max(demand.runningRuns, demand.busySlots));
        metrics.demand.set({ kind: "callers" }, demand.waitingCallers);
        metrics.demand.set({ kind: "upcoming" }, demand.upcomingRuns);
      },
      scaled(workers, before, { demand }) {
        metrics.decisions.inc({ direction: workers > before ? "up" : "down" });
        log.info({ workers, before, ...demand }, "scaled");
      },
      failed(error) {
        metrics.failures.inc();
        log.warn({ error }, "the demand could not be read; the workers stay as they are");
      },
    },
  };
}

function showCounts(metrics: AutoscalerMetrics, fleet: Fleet): void {
  for (const [state, count] of Object.entries(fleet.counts())) metrics.workers.set({ state }, count);
}

function demandOrder(min: number, max: number): void {
  if (min <= max) return;
  throw new BellhopError(
    "invalid_setting",
    500,
    `WORKERS_MIN is ${min} and WORKERS_MAX is ${max}: the least number of workers cannot be above the most. Raise WORKERS_MAX or lower WORKERS_MIN.`,
  );
}

/** Exactly a worker's settings, as they were given: they were read, and so found sound, with ours. */
function chooseWorkerEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = [...WORKER_SURROUNDINGS, ...HANDED_ON];
  const given = names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(given), PORT: "0" };
}

export const autoscalerProgram: RoleProgram = {
  command: "npm run autoscaler",
  purpose: "starts and stops worker processes on this machine as work comes and goes",
  settings: AUTOSCALER_SETTINGS,
  defaults: DEFAULTS,
  start: startAutoscaler,
};

if (import.meta.main) await runRole(autoscalerProgram);
