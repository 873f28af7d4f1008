/** Roles whose broker is away: what is due is found in the table, and nothing holds up a stop. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findRun } from "../../core/store/runs/read.ts";
import { queueRun } from "../../core/store/testing/samples.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../support/database.ts";
import { freePorts } from "../support/free-ports.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";
import { portOf } from "./cluster.ts";

/** What the role checks, once it is ready: a busy machine's database may keep it waiting at first. */
const whenReady = (role: RunningProcess) =>
  until(async () => {
    const readiness = await fetch(`http://127.0.0.1:${portOf(role)}/readyz`);
    const { status, checks } = (await readiness.json()) as {
      status: string;
      checks: Record<string, unknown>;
    };
    return status === "ready" ? checks : undefined;
  });

test("a worker starts without Kafka, runs what is due, says that the queue is away, and stops cleanly", async (t) => {
  const { store, url, newNamespace } = await openTestStore(createTestDatabase);
  const namespaceId = await newNamespace();
  const sink = await createHttpSink();
  t.after(() => sink.close());
  const queue = () =>
    queueRun(store, namespaceId, {
      spec: { type: "http", method: "GET", url: sink.url, headers: {}, followRedirects: true },
    });
  const first = await queue();
  const [closedPort] = await freePorts(1);
  const worker = startProcess("runtime/main.ts", {
    env: {
      DATABASE_URL: url,
      KAFKA_BROKERS: `127.0.0.1:${closedPort}`,
      PORT: "0",
      HOST: "127.0.0.1",
      EGRESS_ALLOW: "127.0.0.0/8",
    },
  });
  await worker.waitForLine(/worker started/);
  const whenSucceeded = (runId: string) =>
    until(async () => ((await findRun(store, namespaceId, runId))?.state === "succeeded" ? true : undefined));
  await whenSucceeded(first);
  await whenSucceeded(await queue());
  const checks = await whenReady(worker);
  assert.equal(checks["queue"], "not connected yet");
  worker.signal("SIGTERM");
  assert.deepEqual(await worker.exited, { code: 0, signal: null });
});

for (const [name, file] of [
  ["the API", "api/main.ts"],
  ["the scheduler", "scheduler/main.ts"],
]) {
  test(`${name} starts without Kafka, is ready, says that the queue is away, and stops cleanly`, async () => {
    const { url } = await openTestStore(createTestDatabase);
    const [closedPort] = await freePorts(1);
    const env = { KAFKA_BROKERS: `127.0.0.1:${closedPort}`, PORT: "0", HOST: "127.0.0.1" };
    const beganMs = performance.now();
    const role = startProcess(file!, { env: { DATABASE_URL: url, ...env } });
    await role.waitForLine(/started/);
    assert.deepEqual(await whenReady(role), { database: "ok", queue: "not connected yet" });
    role.signal("SIGTERM");
    assert.deepEqual(await role.exited, { code: 0, signal: null });
    const warnings = role.logs.filter(({ level }) => level === "warn").map(({ msg }) => String(msg));
    const ofKafka = warnings.filter((words) => words.startsWith("kafka"));
    const reminders = Math.floor((performance.now() - beganMs) / 60_000);
    assert.ok(ofKafka.length <= 1 + reminders, warnings.join("\n"));
  });
}
