/**
 * Every end of a run calls exactly once, while every role is killed over and over. CALLBACK_ENDS sets how many ends there
 * are: `CALLBACK_ENDS=1000 node test/run.ts test/system/callbacks-under-kills.test.ts`.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type ApiClient, type Cluster, startCluster } from "./cluster.ts";

const ENDS = Number(process.env["CALLBACK_ENDS"] ?? 90);
const PATIENCE_MS = 600_000;
/** Of each role, from the first end to the last callback. */
const KILLS = ENDS < 500 ? 2 : 5;
/** Runs that do not end. */
const OPEN = 3;

const once = { maxAttempts: 1 };
/** How a run comes to each end; `cancelled` and `skipped` take a request more. */
const KINDS = {
  succeeded: { path: "/ok", fields: {} },
  failed: { path: "/bad", fields: { deadLetter: false } },
  dead: { path: "/bad", fields: { retry: once } },
  expired: { path: "/ok", fields: { ttl: "1ms" } },
  cancelled: { path: "/hang", fields: {} },
  skipped: { path: "/ok", fields: { schedule: { every: "1s" } } },
} as const;
type Kind = keyof typeof KINDS;
const EVENT_OF: Record<Kind, string[]> = {
  succeeded: ["success", "always"],
  failed: ["failure", "always"],
  dead: ["failure", "always"],
  expired: ["failure", "always"],
  cancelled: ["always"],
  skipped: ["skip", "always"],
};

describe("each end of a run", () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let database: pg.Client;
  /** Of the API that lives; another one after each kill. */
  let api: ApiClient;
  let apiProcess: RunningProcess;

  before(async () => {
    const never = Promise.withResolvers<never>();
    sink = await createHttpSink(({ url }) => {
      if (url === "/hang" || url === "/open") return never.promise;
      return { status: url === "/bad" ? 400 : 200 };
    });
    cluster = await startCluster({
      ...{ schedulers: 1, workers: 2 },
      env: { WORKER_LEASE: "5s", WORKER_SLOTS: "40", WORKER_DRAIN: "0s" },
    });
    ({ api, apiProcess } = cluster);
    database = new pg.Client({ connectionString: cluster.databaseUrl });
    await database.connect();
  });
  after(async () => {
    await database?.end();
    await cluster?.stop();
    await sink?.close();
  });

  /** Until some API has answered; under its key a request is done once, however often it is sent. */
  async function ask<T>(path: string, body: object, key: string): Promise<T> {
    return await until(async () => {
      const { url, key: apiKey } = api;
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "idempotency-key": key },
        body: JSON.stringify(body),
      }).catch(() => undefined);
      if (!response?.ok) {
        assert.ok(!response || response.status >= 500 || response.status === 409, await response?.text());
        return undefined;
      }
      return (await response.json().catch(() => undefined)) as T | undefined;
    }, PATIENCE_MS);
  }

  async function count(text: string): Promise<number> {
    return Number((await database.query(`SELECT count(*) AS count FROM ${text}`)).rows[0].count);
  }

  async function killScheduler(): Promise<void> {
    const [scheduler] = cluster.schedulers.slice(-1);
    scheduler!.signal("SIGKILL");
    await scheduler!.exited;
  }

  const KILLERS = {
    async worker() {
      const [worker] = cluster.workers.slice(-2);
      worker!.signal("SIGKILL");
      await worker!.exited;
      await cluster.startWorker();
    },
    async scheduler() {
      await killScheduler();
      await cluster.startScheduler();
    },
    async api() {
      apiProcess.signal("SIGKILL");
      await apiProcess.exited;
      const next = await cluster.startApi();
      [api, apiProcess] = [next.client, next.process];
    },
  };

  /** One role after the other, each time when so much more has been called back; answers how many were killed. */
  async function killAll(expected: number): Promise<number> {
    const order = Array.from({ length: KILLS }, () => Object.values(KILLERS)).flat();
    for (const [index, kill] of order.entries()) {
      const enough = Math.floor((expected * (index + 1)) / (order.length + 1));
      await until(async () => (called().length >= enough ? true : undefined), PATIENCE_MS);
      await kill();
    }
    return order.length;
  }

  const called = () => sink.requests.filter(({ url }) => url.startsWith("/called/"));

  interface Message {
    type: string;
    data: { id: string; state: string; taskId: string };
  }

  function make(kind: Kind | "open", name: string): Promise<{ id: string; nextRunAt: string | null }> {
    const { path, fields } =
      kind === "open" ? { path: "/open", fields: { retry: { maxAttempts: 100 } } } : KINDS[kind];
    const on = Object.fromEntries(
      ["success", "failure", "skip", "always"].map((event) => [
        event,
        [{ type: "http", url: `${sink.url}/called/${event}` }],
      ]),
    );
    const backoff = { backoff: { initial: "50ms", jitter: false } };
    const { retry = {}, ...rest } = fields as { retry?: object };
    const task = {
      type: "http",
      url: `${sink.url}${path}`,
      timeout: "5m",
      retry: { ...backoff, ...retry },
      ...rest,
      on,
    };
    return ask("/v1/tasks", { ...task, labels: { kind }, name }, name);
  }

  it("calls once, and what has not ended calls nobody, whoever is killed meanwhile", {
    timeout: PATIENCE_MS,
  }, async (t) => {
    const share = Math.floor(ENDS / 6);
    const each = (kind: Kind | "open", how: number) =>
      Promise.all(Array.from({ length: how }, (_, index) => make(kind, `${kind}-${index}`)));
    const expected = share * 11;

    await each("open", OPEN);
    // Occurrences that no scheduler is there for; nobody makes runs of them before their tasks are cancelled.
    await killScheduler();
    const missing = await each("skipped", share);
    const lastInstantMs = Math.max(...missing.map(({ nextRunAt }) => Date.parse(nextRunAt!)));
    await until(async () => (Date.now() > lastInstantMs ? true : undefined));
    for (const { id } of missing) await ask(`/v1/tasks/${id}/cancel`, {}, `cancel-${id}`);
    await cluster.startScheduler();

    const killing = killAll(expected);
    for (const kind of ["succeeded", "failed", "dead", "expired", "cancelled"] as const) {
      // Few at a time, so that kills meet requests and runs of every kind.
      for (let from = 0; from < share; from += 20) {
        const names = Array.from(
          { length: Math.min(20, share - from) },
          (_, index) => `${kind}-${from + index}`,
        );
        const tasks = await Promise.all(names.map((name) => make(kind, name)));
        if (kind !== "cancelled") continue;
        await Promise.all(tasks.map(({ id }) => ask(`/v1/tasks/${id}/cancel`, {}, `cancel-${id}`)));
      }
    }
    const kills = await killing;
    await until(async () => {
      const open = await count(
        `task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id
       WHERE r.state <> 'dead' AND t.labels ->> 'kind' IS DISTINCT FROM 'open'`,
      );
      return open + (await count("run_callbacks")) === 0 ? true : undefined;
    }, PATIENCE_MS);

    const { rows: ends } = await database.query<{ id: string; state: Kind; kind: Kind }>(
      `SELECT r.id, r.state, t.labels ->> 'kind' AS kind FROM task_runs r JOIN tasks t ON t.id = r.task_id
     WHERE t.labels ->> 'kind' <> 'open'`,
    );
    t.diagnostic(`${ends.length} ends, ${called().length} requests of callbacks, ${kills} kills`);
    for (const kind of Object.keys(KINDS) as Kind[])
      assert.equal(ends.filter(({ state }) => state === kind).length, share, kind);
    assert.ok(ends.every(({ state, kind }) => state === kind));
    const wanted = ends
      .flatMap(({ id, state }) => EVENT_OF[state].map((event) => `${id} ${event}`))
      .toSorted();

    const { rows: made } = await database.query<{ end: string; state: string }>(
      `SELECT callback_of || ' ' || substring(input ->> 'url' FROM '[a-z]+$') AS "end", state
     FROM task_runs WHERE trigger = 'callback'`,
    );
    assert.deepEqual(made.map(({ end }) => end).toSorted(), wanted, "runs of callbacks");
    assert.ok(made.every(({ state }) => state === "succeeded"));

    const told = called().map(({ url, body }) => {
      const { type, data } = JSON.parse(body) as Message;
      assert.equal(type, `bellhop.run.${data.state}`);
      return `${data.id} ${url.slice("/called/".length)}`;
    });
    assert.deepEqual([...new Set(told)].toSorted(), wanted, "what receivers were told");
  });
});
