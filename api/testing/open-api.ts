/** The API on a real database, called through `app.request()`; the worker's part is played by store functions. */
import { randomBytes } from "node:crypto";
import { after } from "node:test";
import { sql } from "kysely";
import { type Clock, steadyClock, systemClock } from "../../core/clock.ts";
import type { OidcConfig } from "../../core/config/oidc.ts";
import type { FunctionLimitCaps } from "../../core/domain/function-limits.ts";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { Json } from "../../core/json.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import { parseProxies } from "../../core/proxies.ts";
import type { Bell, QueueTransport } from "../../core/queue/transport.ts";
import { openRunEnds } from "../../core/run-ends/open-run-ends.ts";
import { type ScheduleTime, trueTime } from "../../core/schedule-time.ts";
import { type CompletionTokens, createCompletionTokens } from "../../core/secrets/completion-tokens.ts";
import { createSealer } from "../../core/secrets/sealer.ts";
import { createDailyLimits } from "../../core/store/daily-limits.ts";
import type { Db, Store } from "../../core/store/database.ts";
import { findCallableFunction, findCallableFunctions } from "../../core/store/functions/callable.ts";
import { newId } from "../../core/store/ids.ts";
import { generateKey, hashKey, recordSettingKeys } from "../../core/store/keys.ts";
import { openListener } from "../../core/store/listen.ts";
import { createNotifier } from "../../core/store/notify.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { type AttemptLogLine, finishAttempts } from "../../core/store/runs/finish.ts";
import { findOpenRuns } from "../../core/store/runs/read.ts";
import { claim, finished, makeWorker } from "../../core/store/testing/samples.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createLogger, type Logger } from "../../core/telemetry/log.ts";
import { createApiMetrics } from "../../core/telemetry/metrics/api.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { createProbes } from "../../core/telemetry/probes.ts";
import { NO_TRACER, type Tracer } from "../../core/telemetry/tracing.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createRecording, type Recording } from "../../test/support/recording.ts";
import { createApp } from "../app.ts";
import { createKeyWatch } from "../auth/key-watch.ts";
import { createKeyring } from "../auth/keyring.ts";
import { openOidc } from "../auth/oidc/open-oidc.ts";
import { createRequestRates } from "../auth/request-rates.ts";
import type { Scope } from "../auth/scopes.ts";
import { createCallables } from "../calls/callables.ts";
import { createFinishWaiter } from "../calls/wait.ts";
import { createHeldCallers } from "../direct/held-callers.ts";
import { createEdge, EDGE_LIMITS, type Edge } from "../edge/edge.ts";
import type { ApiParts, MailFacts } from "../environment.ts";
import { createEventFollowers } from "../events/followers.ts";
import { apiFeatures } from "../features.ts";
import { createLogFollowers } from "../logs/followers.ts";
import { createOpenStreams } from "../logs/open-streams.ts";
import { createKnownQueues, lookForQueues } from "../queues/known-queues.ts";
import { createRunRinger } from "../ring.ts";
import { createAnswerCheck } from "./check-answer.ts";
import { DEFAULT_SETTINGS } from "./default-settings.ts";

// biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests check
type Answered = any;

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON, else text; undefined where there is none. */
  body: Answered;
}

export interface CallOptions {
  /** Sent as JSON; a string or FormData as it is. */
  body?: Json | FormData;
  headers?: Record<string, string>;
}

/** A caller with a key of its own. */
export interface TestCaller {
  namespaceId: string;
  /** Undefined for who is anonymous. */
  key: string | undefined;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The raw response, for streams. */
  request(method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface TestApi {
  app: ReturnType<typeof createApp>;
  /** What its routes are given. */
  parts: ApiParts;
  store: Store;
  db: Db;
  /** What bodies and callers hold of the API. */
  edge: Edge;
  /** By which attempts are completed. */
  completionTokens: CompletionTokens;
  /** Bells rung by the API. */
  bells: Recording<Bell>;
  /** An administrator of a new namespace. */
  newTenant(): Promise<TestCaller>;
  /** Another key of a namespace. */
  newCaller(namespaceId: string, scopes: Scope[], given?: KeyFaults): Promise<TestCaller>;
  /** The setting's key, in the namespace `default`. */
  operator: TestCaller;
  /** Whoever has that key, of any namespace. */
  withKey(key: string): TestCaller;
  /** Without the Authorization header. */
  anonymous: TestCaller;
  /** Claims the run as a worker would, and says what became of it. */
  work(runId: string, verdict: RunVerdict, logs?: AttemptLogLine[]): Promise<ClaimedRun>;
  /** The claim alone. */
  start(runId: string): Promise<ClaimedRun>;
  finish(run: ClaimedRun, verdict: RunVerdict, logs?: AttemptLogLine[]): Promise<void>;
  /** Rows of everything a request may write. */
  countRows(): Promise<Record<string, number>>;
  /** As the role does when it stops. */
  stopServing(): void;
}

export interface KeyFaults {
  expired?: boolean;
  revoked?: boolean;
}

const NO_NAMESPACE = "00000000-0000-0000-0000-000000000000";
const WRITTEN = ["tasks", "task_runs", "task_logs", "functions", "function_revisions"] as const;

export async function openApi({
  caps = {},
  withSecrets = true,
  mail = { isCaptured: false, defaultSender: "unknown" },
  publicUrl,
  corsOrigins = [],
  npmRegistry,
  tracer = NO_TRACER,
  log = createLogger("api", "silent"),
  time = trueTime(systemClock),
  oidc,
  holdsCallers = false,
  createDatabase = createTestDatabase,
}: {
  caps?: Partial<FunctionLimitCaps>;
  withSecrets?: boolean;
  mail?: MailFacts;
  publicUrl?: string;
  corsOrigins?: string[];
  npmRegistry?: string;
  tracer?: Tracer;
  log?: Logger;
  time?: ScheduleTime;
  /** Whose tokens are taken besides keys, and by which clock. */
  oidc?: { config: OidcConfig; clock?: Clock };
  /** Callers of queued calls are held for the workers that claim their runs. */
  holdsCallers?: boolean;
  /** Where the server is the test's own. */
  createDatabase?: typeof createTestDatabase;
} = {}): Promise<TestApi> {
  const { store, db, url, newNamespace } = await openTestStore(createDatabase);
  const ignore = () => {};
  const notifier = createNotifier(store, systemClock, ignore);
  const listener = await openListener(url, systemClock, ignore);
  const bells = createRecording<Bell>("bell");
  const stopping = new AbortController();
  const lettingGo = new LazyAbort();
  stopping.signal.addEventListener("abort", () => lettingGo.abort());
  const transport: QueueTransport = {
    name: "postgres",
    async ring(rung) {
      for (const bell of rung) bells.add(bell);
    },
    consume: () => Promise.reject(new Error("the API consumes nothing")),
    async publishDeadLetters() {},
    async checkReady() {},
    async close() {},
  };
  const ringer = createRunRinger(transport, ignore);
  const registry = createRegistry("api");
  const metrics = createApiMetrics(registry);
  const ends = openRunEnds({ store, notifier, transport, log, metrics });
  const streams = createOpenStreams({ store, clock: systemClock, onError: ignore });
  const eventFollowers = createEventFollowers({ store, clock: systemClock, log, streams });
  const edge = createEdge(EDGE_LIMITS, steadyClock, ignore);
  const functionCaps = { ...DEFAULT_SETTINGS.functionCaps, ...caps };
  const checkAnswer = createAnswerCheck(apiFeatures({ clock: systemClock, time, functionCaps }));
  const completionTokens = createCompletionTokens([randomBytes(32)]);
  const operatorKey = generateKey();
  const [operator] = await recordSettingKeys(store, [operatorKey]);
  const provider = oidc && openOidc({ clock: systemClock, ...oidc, store, log });
  const parts: ApiParts = {
    callables: createCallables(
      {
        one: (...asked) => findCallableFunction(store, ...asked),
        several: (...asked) => findCallableFunctions(store, ...asked),
      },
      listener,
    ),
    queues: createKnownQueues(lookForQueues(store), listener),
    // No worker takes calls: all of them are queued.
    direct: { begin: (_call, { onNone }) => onNone("no_worker") },
    held: createHeldCallers(newId(), async () => holdsCallers),
    edge,
    requestRates: createRequestRates(),
    daily: createDailyLimits({ store, listener, clock: systemClock, onError: ignore }),
    proxies: parseProxies("127.0.0.1"),
    keyring: createKeyring({
      ...{ store, listener, settingKeys: new Map([[operatorKey, operator!]]), onError: ignore },
      clock: oidc?.clock ?? systemClock,
      watch: createKeyWatch({ store, clock: systemClock, listener, onError: ignore }),
      tokens: provider?.tokens,
    }),
    oidcSignIn: provider?.signIn,
    sealer: withSecrets ? createSealer([randomBytes(32)]) : undefined,
    completionTokens: withSecrets ? completionTokens : undefined,
    ...{ store, transport, ringer, notifier, ends, clock: systemClock, time },
    ...{ stopping: stopping.signal, lettingGo },
    waiter: createFinishWaiter({
      ...{ listener, clock: systemClock, onError: ignore },
      findOpen: (runIds) => findOpenRuns(store, runIds),
    }),
    followers: createLogFollowers({ db, clock: systemClock, log, streams }),
    eventFollowers,
    log,
    metrics,
    tracer,
    probes: createProbes(registry, {}, {}),
    functionCaps,
    ...{ publicUrl, corsOrigins, npmRegistry, mail },
    afterCommit: (work) => work(parts),
  };
  const app = createApp(parts);
  after(async () => {
    stopping.abort();
    await eventFollowers.close();
    await streams.close();
    await listener.close();
    await notifier.flush();
  });

  function callerWith(key: string | undefined, namespaceId: string): TestCaller {
    const request = async (method: string, path: string, { body, headers = {} }: CallOptions = {}) =>
      await app.request(path, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined || body instanceof FormData ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: body instanceof FormData || typeof body === "string" ? body : JSON.stringify(body) }),
      });
    return {
      ...{ namespaceId, key, request },
      async call(method, path, options) {
        const response = await request(method, path, options);
        const text = await response.text();
        const isJson = /json/.test(response.headers.get("content-type") ?? "");
        const { status, headers } = response;
        const body = isJson && text !== "" ? JSON.parse(text) : text || undefined;
        checkAnswer(method, path, { status, headers, body });
        return { status, headers, body };
      },
    };
  }

  async function newCaller(
    namespaceId: string,
    scopes: string[],
    faults: KeyFaults = {},
  ): Promise<TestCaller> {
    const key = `bh_${randomBytes(16).toString("hex")}`;
    const past = new Date(Date.now() - 1_000);
    await db
      .insertInto("api_keys")
      .values({
        ...{ id: newId(), namespace_id: namespaceId, name: "test", key_hash: hashKey(key), scopes },
        expires_at: faults.expired ? past : null,
        revoked_at: faults.revoked ? past : null,
      })
      .execute();
    return callerWith(key, namespaceId);
  }

  const workerId = await makeWorker(db);
  const start = (runId: string) => claim(store, workerId, runId);
  async function finish(run: ClaimedRun, verdict: RunVerdict, logs: AttemptLogLine[] = []): Promise<void> {
    const { ended } = await finishAttempts(store, workerId, [finished(run, workerId, verdict, logs)]);
    ends.tell(ended);
  }

  return {
    ...{ app, parts, store, db, edge, bells, completionTokens, newCaller, start, finish },
    operator: callerWith(operatorKey, operator!.namespaceId),
    withKey: (key) => callerWith(key, NO_NAMESPACE),
    anonymous: callerWith(undefined, NO_NAMESPACE),
    newTenant: async () => await newCaller(await newNamespace(), ["admin"]),
    async work(runId, verdict, logs) {
      const run = await start(runId);
      await finish(run, verdict, logs);
      return run;
    },
    async countRows() {
      const counts: Record<string, number> = {};
      for (const table of WRITTEN) {
        const { rows } = await sql<{
          count: number;
        }>`SELECT count(*)::int AS count FROM ${sql.table(table)}`.execute(db);
        counts[table] = rows[0]!.count;
      }
      return counts;
    },
    stopServing: () => stopping.abort(),
  };
}
