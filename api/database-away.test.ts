/** No request gets a 500 for a database that goes away under it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { signalTree } from "../core/processes/signal.ts";
import { isDatabaseAway } from "../core/store/database-away.ts";
import { until } from "../core/store/testing/test-store.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { type Answer, openApi, type TestCaller } from "./testing/open-api.ts";
import { assertProblem } from "./testing/problem.ts";

const server = await startTestPostgres();
const api = await openApi({ createDatabase: async () => ({ url: server.address, drop: server.stop }) });

const HTTP_TASK = { type: "http", url: "https://example.com/hook", schedule: { every: "1h" } };
const SOURCE = "export default () => 1;";

/** A request of every kind: reads, single statements, transactions of several, with and without an idempotency key. */
async function* requestsOf(tenant: TestCaller): AsyncGenerator<Answer> {
  const task = await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
  yield task;
  const id = task.body?.id ?? "0193f1f0-0000-7000-8000-000000000000";
  yield await tenant.call("POST", "/v1/tasks", {
    body: { ...HTTP_TASK, schedule: { delay: "1h" } },
    headers: { "idempotency-key": crypto.randomUUID() },
  });
  yield await tenant.call("GET", `/v1/tasks/${id}`);
  yield await tenant.call("PATCH", `/v1/tasks/${id}`, { body: { name: "again" } });
  yield await tenant.call("POST", `/v1/tasks/${id}/pause`);
  yield await tenant.call("POST", `/v1/tasks/${id}/resume`);
  yield await tenant.call("POST", `/v1/tasks/${id}/run`);
  yield await tenant.call("GET", "/v1/tasks");
  yield await tenant.call("GET", "/v1/runs");
  yield await tenant.call("POST", `/v1/tasks/${id}/cancel`);
  yield await tenant.call("PUT", "/v1/functions/here", { body: { source: SOURCE } });
  yield await tenant.call("PUT", "/v1/functions/here/secrets/TOKEN", { body: { value: "a secret" } });
  yield await tenant.call("GET", "/v1/functions/here/logs");
  yield await tenant.call("POST", "/v1/functions/here/invoke", {
    body: {},
    headers: { prefer: "respond-async" },
  });
  yield await tenant.call("GET", "/v1/dead-letters");
  yield await tenant.call("GET", "/fn/default/no-such-function");
}

interface Counts {
  answers: number;
  away: number;
}

/** Sends round after round, several at once, until `isOver`; every failure is the one error there is for this. */
async function hammer(tenants: TestCaller[], isOver: () => boolean): Promise<Counts> {
  const counts = { answers: 0, away: 0 };
  await Promise.all(
    tenants.map(async (tenant) => {
      while (!isOver()) {
        for await (const answer of requestsOf(tenant)) {
          counts.answers += 1;
          if (answer.status < 500) continue;
          counts.away += 1;
          assertAway(answer);
        }
      }
    }),
  );
  return counts;
}

function assertAway(answer: Answer): void {
  assertProblem(answer, 503, "database_unavailable");
  assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
}

async function makeTenants(): Promise<TestCaller[]> {
  return await Promise.all(Array.from({ length: 6 }, () => api.newTenant()));
}

/** The pool may still hold connections that were killed: those that a test has not met yet. */
async function untilAnswered<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
    }
  }
}

test("connections that are killed under requests", async (t) => {
  const tenants = await makeTenants();
  const killer = new pg.Client({ connectionString: server.address });
  await killer.connect();
  t.after(() => killer.end());
  let isOver = false;
  const hammered = hammer(tenants, () => isOver);
  for (let kills = 0; kills < 200; ) {
    // Those in the middle of a transaction first: that is where the shapes are.
    const { rows } = await killer.query<{ killed: boolean }>(
      `SELECT pg_terminate_backend(pid) AS killed FROM pg_stat_activity
       WHERE application_name = 'bellhop-test' ORDER BY state = 'idle in transaction' DESC, random() LIMIT 2`,
    );
    kills += rows.length;
  }
  isOver = true;
  const { answers, away } = await hammered;
  assert.ok(away > 0 && away < answers, `${away} of ${answers} met a dead connection`);
});

test("a server that hangs, with connections that stand", async (t) => {
  const { options } = api.store.pool;
  // As it is, this would take a minute.
  Object.assign(options, { connectionTimeoutMillis: 1_000, query_timeout: 1_000 });
  const killer = new pg.Client({ connectionString: server.address });
  await killer.connect();
  await killer.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bellhop-test'",
  );
  await killer.end();
  const tenants = await untilAnswered(makeTenants);
  t.after(() => signalTree(server.pid, "SIGCONT"));
  signalTree(server.pid, "SIGSTOP");
  // A process may answer once more before it stops.
  await until(async () => ((await tenants[0]!.call("GET", "/v1/tasks")).status === 503 ? true : undefined));
  await Promise.all(
    tenants.map(async (tenant) => {
      assertAway(await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK }));
      assertAway(await tenant.call("GET", "/v1/tasks"));
    }),
  );
});

test("a server that stops under requests, and is gone", async () => {
  const tenants = await untilAnswered(makeTenants);
  let isOver = false;
  const hammered = hammer(tenants, () => isOver);
  await server.stop();
  isOver = true;
  await hammered;
  for (const tenant of tenants) for await (const answer of requestsOf(tenant)) assertAway(answer);
});
