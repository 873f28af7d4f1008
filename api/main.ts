/** The API: records what is asked and exposes what happened; it executes nothing. */
import { steadyClock, systemClock } from "../core/clock.ts";
import { closeInTime } from "../core/close-in-time.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { OIDC_SETTINGS, toOidcConfig } from "../core/config/oidc.ts";
import { isSetToNone, readSettings, type SettingName, type Settings } from "../core/config/settings.ts";
import { openConnections, SHARED_SETTINGS } from "../core/connections.ts";
import { LazyAbort } from "../core/lazy-abort.ts";
import { tellUnsentBells } from "../core/queue/bounded-sends.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../core/role.ts";
import { openRunEnds } from "../core/run-ends/open-run-ends.ts";
import { trueTime, type VirtualTime } from "../core/schedule-time.ts";
import { createCompletionTokens } from "../core/secrets/completion-tokens.ts";
import { createSealer } from "../core/secrets/sealer.ts";
import { createDailyLimits } from "../core/store/daily-limits.ts";
import { openStore } from "../core/store/database.ts";
import { installSqlFunctions } from "../core/store/enqueue/sql-functions.ts";
import { describeEnqueue } from "../core/store/enqueue/task-contract.ts";
import { findCallableFunction, findCallableFunctions } from "../core/store/functions/callable.ts";
import { newId } from "../core/store/ids.ts";
import { recordSettingKeys } from "../core/store/keys.ts";
import { endLostCall } from "../core/store/runs/lost-call.ts";
import { findOpenRuns } from "../core/store/runs/read.ts";
import { demandSecretsKey } from "../core/store/secrets-key.ts";
import { tellWaitingCallers } from "../core/store/waiting-callers.ts";
import { listCallableWorkers } from "../core/store/workers.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createApiMetrics } from "../core/telemetry/metrics/api.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { stopCompiler } from "../functions/build/compiler.ts";
import { createApp } from "./app.ts";
import { createKeyWatch } from "./auth/key-watch.ts";
import { createKeyring } from "./auth/keyring.ts";
import { openOidc } from "./auth/oidc/open-oidc.ts";
import { createRequestRates } from "./auth/request-rates.ts";
import { createCallables } from "./calls/callables.ts";
import { createFinishWaiter } from "./calls/wait.ts";
import { createCallerDemand, TOLD_FOR_MS } from "./direct/caller-demand.ts";
import { createDirectCaller } from "./direct/direct-caller.ts";
import { createHeldCallers } from "./direct/held-callers.ts";
import { createLostCalls } from "./direct/lost-calls.ts";
import { measureCalls } from "./direct/measured-calls.ts";
import { createWaitingLine } from "./direct/waiting-line.ts";
import { createWorkerDirectory } from "./direct/worker-directory.ts";
import { createEdge, EDGE_LIMITS, type EdgeLimits } from "./edge/edge.ts";
import { cutStalledReaders } from "./edge/stalled-readers.ts";
import { startIntake } from "./enqueue/intake.ts";
import type { ApiParts, MailFacts } from "./environment.ts";
import { createEventFollowers, EVENT_READS_AT_ONCE } from "./events/followers.ts";
import { apiFeatures } from "./features.ts";
import { createListener } from "./http/listener.ts";
import { createLogFollowers, FOLLOWING_CONNECTIONS } from "./logs/followers.ts";
import { createOpenStreams } from "./logs/open-streams.ts";
import { createKnownQueues, lookForQueues } from "./queues/known-queues.ts";
import { createRunRinger } from "./ring.ts";

export const API_SETTINGS = [
  ...SHARED_SETTINGS,
  "BELLHOP_API_KEY",
  "BELLHOP_SECRETS_KEY",
  "BELLHOP_PUBLIC_URL",
  "BELLHOP_CORS_ORIGINS",
  "BELLHOP_NPM_REGISTRY",
  ...OIDC_SETTINGS,
  "TRUSTED_PROXIES",
  "EMAIL_FROM",
  "EMAIL_CAPTURE",
  "CALL_WORKER_WAIT",
  ...FUNCTION_CAP_SETTINGS,
] as const satisfies SettingName[];

/** Calls under way at a stop go on for so long; a second before their connections are cut their callers are told. */
const CALLERS_STAY_MS = 4_000;

/**
 * @param limits how patient it is; other than the default in tests
 * @param given what schedules see, where it is not the true time; shared with the scheduler
 */
export async function startApi(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  limits: EdgeLimits = EDGE_LIMITS,
  given?: VirtualTime,
): Promise<Role> {
  const settings = readSettings(API_SETTINGS, env);
  const oidcConfig = toOidcConfig(settings);
  const log = createLogger("api", settings.LOG_LEVEL, settings.LOG_FAILED_RUNS);
  const { maxConnections, ...serverOptions } = limits.server;
  const registry = createRegistry("api");
  await using opened = new AsyncDisposableStack();
  const connections = await openConnections(opened, {
    role: "api",
    settings,
    maxConnections: 16,
    ...{ clock: systemClock, log, registry, signal },
    serverOptions,
  });
  const { store, clock, notifier, listener, transport, tracer, door } = connections;
  const time = given ?? trueTime(clock);
  const apiKeys = settings.BELLHOP_API_KEY;
  const daily = createDailyLimits({
    ...{ store, listener, clock: systemClock },
    onError: (error) =>
      log.warn({ error }, "limits of runs a day were not read or counted; tried again soon"),
  });
  const operators = await connections.untilAnswered(async () => {
    await demandSecretsKey(store, settings.BELLHOP_SECRETS_KEY);
    await daily.refresh();
    const owners = await recordSettingKeys(store, apiKeys);
    if ((await installSqlFunctions(store, describeEnqueue())) === "forbidden")
      log.warn("bellhop.enqueue is not there: the database's user may not create a schema");
    return owners;
  });
  const stopping = new AbortController();
  const lettingGo = new LazyAbort();
  const ringer = createRunRinger(transport, tellUnsentBells(log));
  opened.defer(() => ringer.flush());
  const metrics = createApiMetrics(registry);
  const ends = openRunEnds({ store, notifier, transport, log, metrics });
  opened.defer(() => ends.flush());
  const lostCalls = createLostCalls(
    async (workerId, lost) => {
      const { run, ended } = await endLostCall(store, workerId, lost);
      ends.tell(ended);
      return run;
    },
    clock,
    (error, runId) => log.error({ error, runId }, "a lost call was not ended; tried again soon"),
  );
  opened.defer(() => lostCalls.flush());
  const listWorkers = () => listCallableWorkers(store);
  const apiId = newId();
  const held = createHeldCallers(
    apiId,
    async () => settings.CALL_WORKER_WAIT > 0 && (await directory.meetsCallers()),
  );
  const directory = createWorkerDirectory({ listWorkers, hearTime: clock.hear, listener, held, clock, log });
  opened.defer(() => directory.close());
  const waiter = createFinishWaiter({
    ...{ listener, clock },
    findOpen: (runIds) => findOpenRuns(store, runIds),
    onError: (error) =>
      log.warn({ error }, "the runs that callers wait for were not looked at; tried again soon"),
  });
  const callerDemand = createCallerDemand({
    tell: (callers) => tellWaitingCallers(store, apiId, callers, TOLD_FOR_MS),
    ring: (revisionId) =>
      notifier.notify("bellhop_demand", revisionId === undefined ? undefined : [revisionId]),
    clock,
    onError: (error) =>
      log.warn({ error }, "autoscalers were not told of callers that wait; tried again soon"),
  });
  opened.defer(() => closeInTime(callerDemand.close(), clock));
  const line = createWaitingLine(createDirectCaller(directory, lostCalls.settle), {
    ...{ clock: steadyClock, limits: limits.line },
    waitMs: { busy: limits.lineMs, no_worker: settings.CALL_WORKER_WAIT },
    onCount: (count) => callerDemand.set(count),
    onWait: ({ revisionId }) => callerDemand.expect(revisionId),
  });
  directory.onOpened(() => line.offerAll());
  metrics.watch(
    () => waiter.count,
    () => line.count,
  );
  const edge = createEdge(limits, steadyClock, () => metrics.cutOff.inc({ reason: "request_body_too_slow" }));
  const followed = openStore({
    databaseUrl: settings.DATABASE_URL,
    applicationName: "bellhop-api-followers",
    maxConnections: FOLLOWING_CONNECTIONS + EVENT_READS_AT_ONCE,
    onError: (error) => log.warn({ error }, "a connection of those who follow logs or events"),
  });
  opened.defer(() => closeInTime(followed.close(), clock));
  const streams = createOpenStreams({
    ...{ store, clock: steadyClock },
    onError: (error) => log.warn({ error }, "open streams were not counted; tried again soon"),
  });
  opened.defer(() => closeInTime(streams.close(), clock));
  const followers = createLogFollowers({ db: followed.db, clock: steadyClock, log, streams });
  opened.defer(() => closeInTime(followers.close(), clock));
  const eventFollowers = createEventFollowers({ store: followed, clock: steadyClock, log, streams });
  opened.defer(() => closeInTime(eventFollowers.close(), clock));
  const functionCaps = toFunctionCaps(settings);
  const features = apiFeatures({ clock, time, functionCaps, publicUrl: settings.BELLHOP_PUBLIC_URL });
  for (const feature of features) feature.prepare?.();
  const watch = createKeyWatch({
    ...{ store: followed, clock, listener },
    onError: (error) => log.warn({ error }, "the keys of open streams were not looked at; soon again"),
  });
  const oidc = oidcConfig && openOidc({ config: oidcConfig, store, clock, log });
  const parts: ApiParts = {
    store,
    callables: createCallables(
      {
        one: (...asked) => findCallableFunction(store, ...asked),
        several: (...asked) => findCallableFunctions(store, ...asked),
      },
      listener,
    ),
    queues: createKnownQueues(lookForQueues(store), listener),
    direct: measureCalls(line, metrics),
    held,
    edge,
    requestRates: createRequestRates(),
    daily,
    proxies: settings.TRUSTED_PROXIES,
    keyring: createKeyring({
      ...{ store, listener, clock, watch },
      settingKeys: new Map(apiKeys.map((key, index) => [key, operators[index]!])),
      tokens: oidc?.tokens,
      onError: (error) => log.warn({ error }, "that a key was used was not recorded"),
    }),
    oidcSignIn: oidc?.signIn,
    sealer: settings.BELLHOP_SECRETS_KEY && createSealer(settings.BELLHOP_SECRETS_KEY),
    completionTokens: settings.BELLHOP_SECRETS_KEY && createCompletionTokens(settings.BELLHOP_SECRETS_KEY),
    transport,
    ringer,
    notifier,
    ends,
    waiter,
    followers,
    eventFollowers,
    clock,
    time,
    log,
    metrics,
    tracer,
    probes: connections.createProbes(),
    functionCaps,
    publicUrl: settings.BELLHOP_PUBLIC_URL,
    corsOrigins: settings.BELLHOP_CORS_ORIGINS,
    npmRegistry: settings.BELLHOP_NPM_REGISTRY,
    mail: findMailFacts(settings, env),
    afterCommit: (work) => work(parts),
    stopping: stopping.signal,
    lettingGo,
  };
  const app = createApp(parts, features);
  const intake = startIntake(parts, listener);
  opened.defer(() => intake.stop());
  opened.defer(stopCompiler);
  door.server.maxConnections = maxConnections;
  const serving = new AbortController();
  edge.untaken.watch(door.server);
  cutStalledReaders(door.server, {
    ...{ rate: limits.response, clock: steadyClock, signal: serving.signal },
    onCut(socket) {
      edge.cutOff.add(socket);
      metrics.cutOff.inc({ reason: "response_not_taken" });
    },
  });
  opened.defer(() => serving.abort());
  door.open(createListener(app.fetch, edge));
  opened.defer(() => door.close());
  opened.defer(() => {
    stopping.abort();
    setTimeout(() => lettingGo.abort(), CALLERS_STAY_MS).unref();
  });
  log.info({ port: door.port, transport: transport.name }, "api started");
  return runningRole(door.port, opened.move(), (message) => log.info(`api ${message}`));
}

/** An empty EMAIL_FROM says that there is none; one that is left out, that nobody told the API. */
function findMailFacts(
  { EMAIL_CAPTURE, EMAIL_FROM }: Pick<Settings, "EMAIL_CAPTURE" | "EMAIL_FROM">,
  env: NodeJS.ProcessEnv,
): MailFacts {
  const isCaptured = EMAIL_CAPTURE === "true";
  if (isCaptured || EMAIL_FROM !== undefined) return { isCaptured, defaultSender: "given" };
  return { isCaptured, defaultSender: isSetToNone("EMAIL_FROM", env) ? "none" : "unknown" };
}

export const apiProgram: RoleProgram = {
  command: "npm run api",
  purpose: "the HTTP edge: records what is asked and exposes what happened",
  settings: API_SETTINGS,
  start: (env, signal) => startApi(env, signal),
};

if (import.meta.main) await runRole(apiProgram);
