/** The whole of Bellhop for one benchmark: a durable PostgreSQL, the roles as processes, a local HTTP server to call. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { Agent, request } from "undici";
import { openPostgres } from "./own-postgres.ts";
import { type LogEntry, type RoleProcess, startRole } from "./role-process.ts";

export interface BenchSystem {
  transport: "postgres" | "kafka";
  db: pg.Pool;
  databaseUrl: string;
  /** Those that run from the start to the end, and the worker as it is now. */
  readonly roles: readonly { name: string; pid: number; port: number }[];
  /** The first of its processes: PostgreSQL's and those of the roles. What they start is its own, too. */
  readonly roots: number[];
  /** Of the API. */
  origin: string;
  key: string;
  sinkUrl: string;
  /** What it tells scrapes. */
  readWorkerMetrics(): Promise<string>;
  stopWorker(): Promise<void>;
  /** Resolves when it says that it started. */
  startWorker(): Promise<void>;
  /** One worker at most, which goes as soon as it has nothing to do. */
  startAutoscaler(onEntry: (entry: LogEntry) => void): Promise<RoleProcess>;
  /** Calls the API; throws on any answer but 2xx. Undefined: that has no body. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>;
  stop(): Promise<void>;
}

const KEY = "bh_for_the_benchmark";

/** Headers of who makes tasks: what is made is not shown, as other systems' libraries show an id at most. */
export const MINIMAL = { prefer: "return=minimal" };

/** No role waits for Kafka: what is measured before would have gone by the table. */
async function whenQueueIsReady({ port }: { port: number }): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const { body } = await request(`http://127.0.0.1:${port}/readyz`);
    const { checks } = (await body.json()) as { checks: { queue?: unknown } };
    if (checks.queue === "ok") return;
    await delay(100);
  }
  throw new Error("a role's queue did not become ready within 30 s");
}

/**
 * @param settings of the roles, over those that a benchmark wants
 * @param isExpected warnings that need not be shown
 */
export async function startSystem(
  kafkaBrokers: string | undefined,
  settings: Record<string, string> = {},
  isExpected?: (entry: LogEntry) => boolean,
): Promise<BenchSystem> {
  await using opened = new AsyncDisposableStack();
  const postgres = await openPostgres(opened, "bellhop-bench");
  const env: NodeJS.ProcessEnv = {
    PATH: process.env["PATH"],
    DATABASE_URL: postgres.url,
    PORT: "0",
    HOST: "127.0.0.1",
    BELLHOP_API_KEY: KEY,
    EGRESS_ALLOW: "127.0.0.0/8",
    ...(kafkaBrokers ? { KAFKA_BROKERS: kafkaBrokers, KAFKA_TOPIC_PREFIX: `bench-${Date.now()}` } : {}),
    ...settings,
  };
  const start = (file: string) => startRole(file, env, undefined, isExpected);
  const api = await start("api/main.ts");
  opened.defer(() => api.stop());
  const scheduler = await start("scheduler/main.ts");
  opened.defer(() => scheduler.stop());
  let worker = await start("runtime/main.ts");
  opened.defer(() => worker.stop());
  if (kafkaBrokers) await Promise.all([api, scheduler, worker].map(whenQueueIsReady));
  const sink = createServer((incoming, response) => {
    incoming.resume();
    response.end("ok");
  });
  sink.listen(0, "127.0.0.1");
  await once(sink, "listening");
  const db = new pg.Pool({ connectionString: postgres.url, max: 2 });
  db.on("error", (error) => process.stderr.write(`A connection to the database broke: ${error.message}\n`));
  const agent = new Agent({ connections: 64 });
  const origin = `http://127.0.0.1:${api.port}`;
  const held = opened.move();

  return {
    transport: kafkaBrokers ? "kafka" : "postgres",
    db,
    databaseUrl: postgres.url,
    get roles() {
      return [
        { name: "api", ...api },
        { name: "scheduler", ...scheduler },
        { name: "worker", ...worker },
      ];
    },
    get roots() {
      return [postgres.pid, api.pid, scheduler.pid, worker.pid];
    },
    origin,
    key: KEY,
    async readWorkerMetrics() {
      const { body } = await request(`http://127.0.0.1:${worker.port}/metrics`);
      return await body.text();
    },
    stopWorker: () => worker.stop(),
    async startWorker() {
      worker = await start("runtime/main.ts");
    },
    startAutoscaler: (onEntry) =>
      startRole(
        "runtime/autoscaler/main.ts",
        { ...env, WORKERS_MAX: "1", WORKERS_IDLE_AFTER: "100ms" },
        onEntry,
      ),
    sinkUrl: `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`,
    async call(method, path, body, headers = {}) {
      const { statusCode, body: answer } = await request(`${origin}${path}`, {
        method: method as "GET",
        headers: { ...headers, authorization: `Bearer ${KEY}`, "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        dispatcher: agent,
      });
      const text = await answer.text();
      if (statusCode >= 300) throw new Error(`${method} ${path} answered ${statusCode}: ${text}`);
      return text === "" ? undefined : JSON.parse(text);
    },
    async stop() {
      await Promise.all([worker, scheduler, api].map(({ stop }) => stop()));
      await Promise.all([db.end(), agent.close()]);
      sink.closeAllConnections();
      sink.close();
      // The roles have ended; PostgreSQL and its folder are left.
      await held.disposeAsync();
    },
  };
}
