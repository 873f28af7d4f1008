/** API, scheduler and autoscaler as processes on a database of their own; workers are the autoscaler's affair. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request } from "undici";
import { childrenOf } from "../../core/processes/process-tree.ts";
import { openStore, type Store } from "../../core/store/database.ts";
import { openPostgres } from "../own-postgres.ts";
import { startRole } from "../role-process.ts";
import { forEachConcurrently } from "../stats.ts";

const KEY = "bh_for_the_scaling_demo";
const CALLERS = 32;
/** How long each run takes at the place it calls. */
const RUN_MS = 500;

export interface ScalingSystem {
  store: Store;
  ports: { api: number; scheduler: number; autoscaler: number };
  /** Worker processes there are, as the operating system tells. */
  countWorkerProcesses(): number;
  /** How often the place that runs call was called. */
  countCalls(): number;
  /** One http task a run, due at once, each with a POST of its own. */
  sendRuns(count: number): Promise<void>;
  stop(): Promise<void>;
}

export interface ScalingOptions {
  /** Undefined: the queue is PostgreSQL. */
  brokers: string | undefined;
  maxWorkers: number;
}

export async function startScalingSystem({ brokers, maxWorkers }: ScalingOptions): Promise<ScalingSystem> {
  await using opened = new AsyncDisposableStack();
  const postgres = await openPostgres(opened, "bellhop-scaling");
  const store = openStore({
    ...{ databaseUrl: postgres.url, applicationName: "bellhop-show", maxConnections: 2 },
    onError: (error) => process.stderr.write(`${error.message}\n`),
  });
  opened.defer(() => store.close());
  const sink = await startSink();
  opened.defer(() => sink.close());

  const env: NodeJS.ProcessEnv = {
    ...{ PATH: process.env["PATH"], DATABASE_URL: postgres.url, PORT: "0", HOST: "127.0.0.1" },
    ...(brokers ? { KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: `scaling-${Date.now()}` } : {}),
  };
  const api = await startRole("api/main.ts", { ...env, BELLHOP_API_KEY: KEY });
  opened.defer(() => api.stop());
  const scheduler = await startRole("scheduler/main.ts", env);
  opened.defer(() => scheduler.stop());
  const autoscaler = await startRole("runtime/autoscaler/main.ts", {
    ...env,
    ...{ EGRESS_ALLOW: "127.0.0.0/8", WORKER_SLOTS: "50" },
    ...{ WORKERS_MAX: String(maxWorkers), WORKERS_IDLE_AFTER: "5s" },
  });
  opened.defer(() => autoscaler.stop());
  const agent = new Agent({ connections: CALLERS });
  opened.defer(() => agent.close());

  async function sendRun(): Promise<void> {
    const { statusCode, body } = await request(`http://127.0.0.1:${api.port}/v1/tasks`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ type: "http", method: "POST", url: sink.url }),
      dispatcher: agent,
    });
    const answer = await body.text();
    if (statusCode !== 201) throw new Error(`POST /v1/tasks answered ${statusCode}: ${answer}`);
  }

  const held = opened.move();
  return {
    store,
    ports: { api: api.port, scheduler: scheduler.port, autoscaler: autoscaler.port },
    countWorkerProcesses: () => childrenOf(autoscaler.pid).length,
    countCalls: sink.countCalls,
    sendRuns: (count) => forEachConcurrently(count, CALLERS, sendRun),
    stop: () => held.disposeAsync(),
  };
}

/** Answers each call after a while. */
async function startSink(): Promise<{ url: string; countCalls(): number; close(): void }> {
  let calls = 0;
  const server = createServer((incoming, response) => {
    calls += 1;
    incoming.resume();
    void delay(RUN_MS).then(() => response.end("ok"));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    countCalls: () => calls,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
