/** Calls that two APIs collect while one of them is killed: what was acknowledged is in one run, once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { type ApiClient, startCluster } from "./cluster.ts";

const CALLS = 2_000;
const CALLERS = 32;
const SIZE = 50;

test("every input that was acknowledged is in exactly one run", async () => {
  await using opened = new AsyncDisposableStack();
  const cluster = await startCluster({ schedulers: 1, workers: 1 });
  opened.defer(() => cluster.stop());
  const { process: doomed, client: other } = await cluster.startApi();
  await cluster.api.call("PUT", "/v1/functions/load", {
    source: "export default (inputs) => inputs.length;",
  });
  const query = new URLSearchParams({ collect: JSON.stringify({ size: SIZE, wait: "300ms" }) });
  const acknowledged = new Map<number, string>();

  async function callOnce(client: ApiClient, input: number): Promise<void> {
    const response = await fetch(`${client.url}/v1/functions/load/invoke?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${client.key}`, prefer: "respond-async" },
      body: String(input),
    });
    assert.equal(response.status, 202);
    acknowledged.set(input, ((await response.json()) as { runId: string }).runId);
  }

  let next = 0;
  let isKilled = false;
  const call = async (client: ApiClient, mayFail: boolean) => {
    while (next < CALLS) {
      const input = next;
      next += 1;
      if (input === CALLS / 2) isKilled = process.kill(doomed.pid, "SIGKILL");
      try {
        await callOnce(client, input);
      } catch (error) {
        // Whether it was recorded nobody can say; the other API takes the rest.
        if (mayFail && isKilled) return;
        throw error;
      }
    }
  };
  await Promise.all(
    Array.from({ length: CALLERS }, (_, index) => call(index % 2 ? other : cluster.api, index % 2 === 1)),
  );

  const db = new pg.Client({ connectionString: cluster.databaseUrl });
  await db.connect();
  opened.defer(() => db.end());
  await until(async () => (await db.query("SELECT FROM task_runs_open")).rowCount === 0 || undefined);
  const { rows } = await db.query<{ id: string; state: string; input: number[] }>(
    "SELECT id, state, input FROM task_runs",
  );
  const runOf = new Map<number, string>();
  for (const { id, state, input } of rows) {
    assert.equal(state, "succeeded");
    assert.ok(input.length <= SIZE);
    for (const one of input) {
      assert.ok(!runOf.has(one), `${one} is in two runs`);
      runOf.set(one, id);
    }
  }
  assert.ok(isKilled && acknowledged.size >= CALLS - CALLERS);
  for (const [input, runId] of acknowledged) assert.equal(runOf.get(input), runId);
});
