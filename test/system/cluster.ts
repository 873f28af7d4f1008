/** The roles as separate processes on one real Postgres and one real Kafka, and a client to talk to them. */

import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { apiFeatures } from "../../api/features.ts";
import { createAnswerCheck } from "../../api/testing/check-answer.ts";
import { DEFAULT_SETTINGS } from "../../api/testing/default-settings.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../support/database.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";

export interface ApiClient {
  url: string;
  /** For requests that `call` does not make. */
  key: string;
  /** The parsed answer; throws unless the status is 2xx. */
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T>;
}

export interface Cluster {
  api: ApiClient;
  databaseUrl: string;
  apiProcess: RunningProcess;
  schedulers: RunningProcess[];
  workers: RunningProcess[];
  startWorker(env?: Record<string, string>): Promise<RunningProcess>;
  startScheduler(): Promise<RunningProcess>;
  startAutoscaler(env?: Record<string, string>): Promise<RunningProcess>;
  /** Another API beside the first one. */
  startApi(env?: Record<string, string>): Promise<{ process: RunningProcess; client: ApiClient }>;
  /** @param graceMs until a role that has not ended is killed */
  stop(graceMs?: number): Promise<void>;
}

export interface ClusterOptions {
  /** Of a server that the test may harm; default: a database of its own on the shared one. */
  databaseUrl?: string;
  brokers?: string;
  /** Nobody answers there yet: the roles are not waited for until they are connected. */
  hasNoBroker?: boolean;
  schedulers: number;
  workers: number;
  env?: Record<string, string>;
  /** How the roles reach the database, where it is another way than ours. */
  reachDatabase?(url: string): Promise<Record<string, string>>;
  /** The API's program; default the real one. */
  apiFile?: string;
  /** Its roles run from their sources, as users start them, also in a run that has bundled them. */
  isFromSource?: boolean;
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const given = options.databaseUrl;
  const database = given ? { url: given, drop: async () => {} } : await createTestDatabase();
  const key = `bh_${randomBytes(8).toString("hex")}`;
  const env: Record<string, string> = {
    DATABASE_URL: database.url,
    BELLHOP_API_KEY: key,
    PORT: "0",
    HOST: "127.0.0.1",
    EGRESS_ALLOW: "127.0.0.0/8",
    ...(options.brokers
      ? {
          KAFKA_BROKERS: options.brokers,
          KAFKA_TOPIC_PREFIX: `test-${randomBytes(4).toString("hex")}`,
          KAFKA_PARTITIONS: "4",
        }
      : {}),
    ...options.env,
    ...(await options.reachDatabase?.(database.url)),
  };
  const { isFromSource = false } = options;
  const startRole = async (file: string, more: Record<string, string> = {}) => {
    const role = startProcess(file, { env: { ...env, ...more }, isFromSource });
    await role.waitForLine(/"msg":"\w+ started"/);
    return role;
  };
  // It migrates where the database is not a copy that has today's schema; the others find it done.
  const api = await startRole(options.apiFile ?? "api/main.ts");
  const schedulers = await Promise.all(
    Array.from({ length: options.schedulers }, () => startRole("scheduler/main.ts")),
  );
  const workers = await Promise.all(
    Array.from({ length: options.workers }, () => startRole("runtime/main.ts")),
  );
  if (options.brokers && !options.hasNoBroker) await Promise.all([api, ...schedulers].map(whenQueueIsReady));
  const autoscalers: RunningProcess[] = [];
  const apis = [api];
  return {
    api: createClient(`http://127.0.0.1:${portOf(api)}`, key),
    databaseUrl: database.url,
    apiProcess: api,
    schedulers,
    workers,
    async startWorker(more) {
      const worker = await startRole("runtime/main.ts", more);
      workers.push(worker);
      return worker;
    },
    async startScheduler() {
      const scheduler = await startRole("scheduler/main.ts");
      schedulers.push(scheduler);
      return scheduler;
    },
    async startApi(more) {
      const other = await startRole("api/main.ts", more);
      apis.push(other);
      return { process: other, client: createClient(`http://127.0.0.1:${portOf(other)}`, key) };
    },
    async startAutoscaler(more) {
      const autoscaler = await startRole("runtime/autoscaler/main.ts", more);
      autoscalers.push(autoscaler);
      return autoscaler;
    },
    async stop(graceMs) {
      const roles = [...autoscalers, ...workers, ...schedulers, ...apis];
      await Promise.all(roles.map((role) => role.stop(graceMs)));
      await database.drop();
    },
  };
}

/** It is connected, and the topics are there. */
export async function whenQueueIsReady(role: RunningProcess): Promise<void> {
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${portOf(role)}/readyz`);
    const { checks } = (await answer.json()) as { checks: { queue?: unknown } };
    return checks.queue === "ok" ? true : undefined;
  });
}

export function portOf(role: RunningProcess): number {
  const line = role.lines.find((text) => text.includes('"port":'));
  return (JSON.parse(line ?? "{}") as { port: number }).port;
}

/** One sample of `/metrics`, by its name and labels as they are written there. */
export async function readSample(role: RunningProcess, sample: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${portOf(role)}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`${sample} is not told:\n${text}`);
  return Number(line.slice(sample.length));
}

const checkAnswer = createAnswerCheck(apiFeatures(DEFAULT_SETTINGS));

export function createClient(url: string, key: string): ApiClient {
  return {
    url,
    key,
    async call<T>(method: string, path: string, body?: unknown) {
      const send = () =>
        fetch(`${url}${path}`, {
          method,
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
      let response = await send();
      let text = await response.text();
      // As a careful client: what was shed has done nothing.
      while (response.status === 503 && text.includes('"code":"overloaded"')) {
        await wait(Number(response.headers.get("retry-after")) * 1_000);
        response = await send();
        text = await response.text();
      }
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
      const answer = text === "" ? null : JSON.parse(text);
      checkAnswer(method, path, {
        status: response.status,
        headers: response.headers,
        body: text === "" ? undefined : answer,
      });
      return answer as T;
    },
  };
}

/** Resolves once the API hands calls to a worker. */
export async function waitForDirectCalls(api: ApiClient): Promise<void> {
  const source = "export default { fetch: () => new Response('ready') };";
  await api.call("PUT", "/v1/functions/ready", { source, public: true });
  await until(async () => {
    const response = await fetch(`${api.url}/fn/default/ready`);
    await response.text();
    const runId = response.headers.get("bellhop-run-id");
    const run = await api.call<{ result: { bodyBytes?: number } }>("GET", `/v1/runs/${runId}`);
    return run.result.bodyBytes === undefined ? undefined : true;
  });
}
