/** The worker: receives, claims, executes and records runs. Stateless; any number of them share the work. */
import { randomBytes } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { setImmediate } from "node:timers/promises";
import { systemClock } from "../core/clock.ts";
import { toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { beginConnections, type ConnectionOptions, openConnections } from "../core/connections.ts";
import { laneOf } from "../core/domain/lane.ts";
import { StartStopped } from "../core/errors.ts";
import { nameQueues } from "../core/queue/names.ts";
import { messagingSystemOf } from "../core/queue/trace-transport.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../core/role.ts";
import { createSealer } from "../core/secrets/sealer.ts";
import { keepEmail } from "../core/store/captured-emails.ts";
import { recordColdStart } from "../core/store/functions/cold-starts.ts";
import { loadRevision, loadSourceMap } from "../core/store/functions/functions.ts";
import { isId, newId } from "../core/store/ids.ts";
import { loadNamespaceEgress } from "../core/store/namespace-egress.ts";
import { restQueue } from "../core/store/queues/rest-queue.ts";
import { loadNamespaceSecrets, loadSealedEnv, loadSealedEnvs } from "../core/store/secrets.ts";
import { demandSecretsKey } from "../core/store/secrets-key.ts";
import { findSigningSecrets } from "../core/store/signing-secrets.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createOutboundMetrics } from "../core/telemetry/metrics/outbound.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createSandboxMetrics } from "../core/telemetry/metrics/sandbox.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { answerProbes } from "../core/telemetry/probes.ts";
import { createAttemptTracer } from "./attempt-trace.ts";
import { createColdStarts } from "./cold-starts.ts";
import { createCallerMeetings } from "./direct/caller-meetings.ts";
import { serveDirectCalls } from "./direct/direct-server.ts";
import { chooseWorkerAddress } from "./direct/worker-address.ts";
import { createEventReceiver } from "./events/event-receiver.ts";
import { fetchAhead } from "./fetch-ahead.ts";
import { createNamespaceRules } from "./namespace-egress.ts";
import { createOutbound } from "./outbound.ts";
import { demandKafka } from "./receive-mode.ts";
import { rehearseCall } from "./rehearse-call.ts";
import { findCompleteUrls } from "./runners/complete-urls.ts";
import { createDeliverySigner } from "./runners/delivery-signer.ts";
import { createEmailRunner } from "./runners/email.ts";
import { createFunctionRunner, findTimeoutMs } from "./runners/function.ts";
import { createFunctionEnvs } from "./runners/function-env.ts";
import { createFunctionKvs } from "./runners/function-kv.ts";
import { createHttpRunner } from "./runners/http.ts";
import { createKeyValueAnswerer } from "./runners/kv-answerer.ts";
import { createNamespaceSecrets } from "./runners/namespace-secrets.ts";
import { restingQueue } from "./runners/rest-queue.ts";
import { createRevisionCache } from "./runners/revision-cache.ts";
import { withSecrets } from "./runners/with-secrets.ts";
import { standingWalls } from "./sandbox/parent/executor-command.ts";
import { createSandbox } from "./sandbox/sandbox.ts";
import { demandWalls, reportWalls } from "./sandbox/walls/demand-walls.ts";
import { startWorker, type Worker } from "./worker.ts";
import { WORKER_SETTINGS } from "./worker-settings.ts";

const DEFAULTS = { PORT: "8082" };

export interface StartOptions {
  /** It goes as far as a start goes without leaving a trace, and is stopped there. */
  isRehearsal?: boolean;
  /** Of a call that waits for this worker: what it needs is fetched meanwhile. Nothing comes of one that is not there. */
  expectedRevisionId?: string | undefined;
}

export async function startWorkerRole(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  { isRehearsal = false, expectedRevisionId }: StartOptions = {},
): Promise<Role> {
  const settings = readSettings(WORKER_SETTINGS, env, DEFAULTS);
  const receive = settings.WORKER_RECEIVE;
  demandKafka(receive, settings.KAFKA_BROKERS);
  const log = createLogger("worker", settings.LOG_LEVEL, settings.LOG_FAILED_RUNS);
  await using opened = new AsyncDisposableStack();
  const registry = createRegistry("worker");
  const { egress, mail, mailFrom, close } = createOutbound(settings, {
    metrics: createOutboundMetrics(registry),
    tenantRules: (namespaceId) => namespaceRules(namespaceId),
    keepEmail: (email) => keepEmail(store, email),
  });
  opened.defer(close);
  const connecting: ConnectionOptions = {
    role: "worker",
    settings,
    maxConnections: 6,
    leaseMs: settings.WORKER_LEASE,
    ...{ clock: systemClock, log, registry, signal },
    // What wakes a worker does not wait for a consumer group, nor for loading what it takes.
    connectsQueue: "when used",
  };
  const begun = beginConnections(opened, connecting);
  // A turn of the event loop: the database has been greeted before what follows keeps this thread.
  await setImmediate();
  // From the sources the first executor starts now, beside all that follows; once it is up it is known which walls stand.
  const walls = standingWalls();
  // Another turn: the database's greeting is answered.
  await setImmediate();
  const demanded = walls.known.then(() => demandWalls(settings.WORKER_SANDBOX_WALLS, walls, log));
  demanded.catch(() => {});
  const sandbox = createSandbox({
    ...{ logger: log, egress, metrics: createSandboxMetrics(registry) },
    warmMemoryMb: settings.WORKER_WARM_MEMORY_MB,
  });
  opened.defer(() => sandbox.close());
  const connections = await openConnections(opened, connecting, begun);
  const { store, clock, notifier, listener, transport, tracer, door } = connections;
  const keyFits = connections.untilAnswered(() => demandSecretsKey(store, settings.BELLHOP_SECRETS_KEY));
  keyFits.catch(() => {});
  // The probes outlive the drain: a worker that finishes its runs is alive.
  let receiving = false;
  const isReceiving = () => {
    if (!receiving) throw new Error("not receiving");
  };
  const probes = connections.createProbes({ worker: isReceiving }, { sandbox: () => reportWalls(walls) });
  const metrics = createWorkerMetrics(registry);
  const whenStarted = Promise.withResolvers<Worker>();
  const receiver =
    receive === "events"
      ? createEventReceiver({
          take: async (bell) => (await whenStarted.promise).events!.take(bell),
          onAnswer(outcome, error) {
            metrics.events.inc({ outcome });
            if (error) log.warn({ code: error.code, detail: error.message }, "an event was refused");
          },
        })
      : undefined;
  door.open(answerProbes(probes, receiver));
  opened.defer(() => door.close());
  const callToken = randomBytes(32).toString("base64url");
  const facts: WorkerFacts = {
    ...{ id: newId(), host: hostname(), pid: process.pid, slots: settings.WORKER_SLOTS, callToken, receive },
    // Nothing would hold a worker that receives events while it runs what it was called with directly.
    address: receiver
      ? undefined
      : (settings.WORKER_ADDRESS ?? chooseWorkerAddress(settings.HOST, door.port, networkInterfaces())),
  };
  const namespaceRules = createNamespaceRules({
    load: () => loadNamespaceEgress(store),
    onError: (error) => log.warn({ error }, "where namespaces may go could not be read"),
    ...{ listener, clock },
  });
  const revisions = createRevisionCache((revisionId) => loadRevision(store, revisionId));
  const caps = toFunctionCaps(settings);
  const sealer = settings.BELLHOP_SECRETS_KEY && createSealer(settings.BELLHOP_SECRETS_KEY);
  const signer =
    sealer &&
    createDeliverySigner(async (namespaceId) => {
      const secrets = await findSigningSecrets(store, sealer, namespaceId);
      return secrets.map(({ secret }) => secret);
    }, clock);
  const secrets = createNamespaceSecrets((id) => loadNamespaceSecrets(store, id), sealer, listener);
  const kvQuota = { keys: settings.FUNCTION_MAX_KV_KEYS, bytes: settings.FUNCTION_MAX_KV_BYTES };
  const openKv = createFunctionKvs(store, kvQuota);
  const envs = createFunctionEnvs(
    { one: (id) => loadSealedEnv(store, id), several: (ids) => loadSealedEnvs(store, ids) },
    sealer,
    listener,
  );
  const coldStarts = createColdStarts(
    (revisionId, coldStartMs) => recordColdStart(store, revisionId, coldStartMs),
    (error) => log.warn({ error }, "a cold start was not recorded"),
  );
  // Who requires walls has nothing claimed before they stand.
  const mayWork = settings.WORKER_SANDBOX_WALLS === "require" ? Promise.all([demanded, keyFits]) : keyFits;
  mayWork.catch(() => {});
  if (isRehearsal) {
    await mayWork;
    await rehearseCall(store, sandbox, caps, signal);
    throw new StartStopped();
  }
  const callers = receiver ? undefined : createCallerMeetings(clock);
  const worker = await startWorker({
    facts,
    mayWork,
    onLease() {
      // By the connection that the lease went by, and while its caller is on the way.
      if (expectedRevisionId !== undefined && isId(expectedRevisionId))
        void fetchAhead({ revisions, envs }, expectedRevisionId);
    },
    receive,
    eventsWindowMs: settings.WORKER_EVENTS_WINDOW,
    leaseMs: settings.WORKER_LEASE,
    drainMs: settings.WORKER_DRAIN,
    store,
    transport,
    notifier,
    listener,
    runners: {
      http: restingQueue(
        withSecrets(
          createHttpRunner({ egress, signer, clock, completeUrlOf: findCompleteUrls(settings) }),
          secrets.find,
          clock,
        ),
        (run, restMs) => restQueue(store, run, restMs),
        (error) => log.warn({ error }, "a queue was not rested"),
      ),
      email: withSecrets(createEmailRunner({ provider: mail, from: mailFrom }), secrets.find, clock),
      function: createFunctionRunner({
        sandbox,
        revisions,
        loadSourceMap: (revisionId) => loadSourceMap(store.db, revisionId),
        envs,
        onLoadError: (error, functionId) => log.warn({ error, functionId }, "a function could not be loaded"),
        onColdStart: coldStarts.note,
        clock,
        answerKv: (functionId) =>
          createKeyValueAnswerer(openKv(functionId), (error) =>
            log.warn({ error, functionId }, "a function's store did not answer"),
          ),
        caps,
      }),
    },
    callers,
    serveDirect(directCalls) {
      if (!callers) return;
      const calls = serveDirectCalls(door.server, callToken, directCalls, callers);
      opened.defer(() => calls.close());
    },
    findTimeoutMs: (revisionId) => findTimeoutMs(revisions, caps, revisionId),
    ...{ clock, hearTime: clock.hear },
    log,
    metrics,
    traceAttempt: createAttemptTracer(tracer, {
      system: messagingSystemOf(transport),
      destination: nameQueues(settings.KAFKA_TOPIC_PREFIX).topics[laneOf(receive) ?? "runs"],
    }),
  });
  whenStarted.resolve(worker);
  receiving = true;
  opened.defer(() => worker.stop());
  opened.defer(() => {
    receiving = false;
  });
  log.info(
    { port: door.port, workerId: facts.id, slots: facts.slots, transport: transport.name, receive },
    "worker started",
  );
  const role = runningRole(door.port, opened.move(), (message) => log.info(`worker ${message}`));
  const retire = () => {
    receiving = false;
    log.info("worker retires: it receives nothing more and finishes what it has");
    return worker.retire();
  };
  return { ...role, id: facts.id, failed: connections.failed, retire };
}

export const workerProgram: RoleProgram = {
  command: "npm run worker",
  purpose: "receives, claims, executes and records runs",
  settings: WORKER_SETTINGS,
  defaults: DEFAULTS,
  start: (env, signal) => startWorkerRole(env, signal),
};

if (import.meta.main) await runRole(workerProgram);
