import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../core/store/database.ts";
import { FIGURED_RUNS, readFigures } from "../../core/store/functions/figures.ts";
import { firstIdOf, newId } from "../../core/store/ids.ts";
import { openApi } from "../testing/open-api.ts";

const api = await openApi();

test("GET …/figures tells what the last runs took, and of what no run tells null", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const read = async () => (await tenant.call("GET", "/v1/functions/greet/figures")).body;
  assert.deepEqual(await read(), {
    ...{ runs: 0, since: null, succeeded: 0, cold: 0, warm: 0 },
    ...{ coldStartMs: null, durationMs: null, cpuMs: null, heldBytes: null },
  });
  const fn = await api.db
    .selectFrom("functions")
    .select("id")
    .where("namespace_id", "=", tenant.namespaceId)
    .executeTakeFirstOrThrow();
  const now = Date.now();
  const isolates = [
    { start: "cold", loadMs: 8, cpuMs: 4, heldBytes: 6_000_000 },
    { start: "warm", cpuMs: 2 },
    { start: "warm", cpuMs: 1 },
    undefined,
  ];
  for (const [index, isolate] of isolates.entries())
    await api.db
      .insertInto("task_runs")
      .values({
        ...{ id: newId(), namespace_id: tenant.namespaceId, function_id: fn.id, type: "function" },
        ...{ trigger: "invoke", state: index === 3 ? "failed" : "succeeded", attempt: 1, timeout_ms: 1_000 },
        scheduled_for: new Date(now - 2_000),
        available_at: new Date(now - 2_000),
        started_at: new Date(now - 1_000),
        finished_at: new Date(now - 900),
        attempts: JSON.stringify([{ attempt: 1, ...(isolate && { isolate }) }]),
      } as never)
      .execute();
  const { since, ...figures } = await read();
  assert.equal(Date.parse(since), now - 900);
  assert.deepEqual(figures, {
    ...{ runs: 4, succeeded: 3, cold: 1, warm: 2 },
    coldStartMs: { median: 8, p95: 8, max: 8 },
    durationMs: { median: 100, p95: 100, max: 100 },
    cpuMs: { median: 2, p95: 3.8, max: 4 },
    heldBytes: { median: 6_000_000, p95: 6_000_000, max: 6_000_000 },
  });
});

test("of a function that is not there, or another's, there are none", async () => {
  const [tenant, other] = [await api.newTenant(), await api.newTenant()];
  await other.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const { status, body } = await tenant.call("GET", "/v1/functions/greet/figures");
  assert.deepEqual([status, body.code], [404, "not_found"]);
});

/** Of a function that was made long ago: how many runs are found, and by how many looks. */
async function countLooks(functionId: string): Promise<{ runs: number; looks: number }> {
  let looks = 0;
  const pool = {
    query: (...given: [string, unknown[]]) => {
      looks += 1;
      return api.store.pool.query(...given);
    },
  } as Store["pool"];
  const { runs } = await readFigures({ ...api.store, pool }, functionId);
  return { runs, looks };
}

test("runs are looked for in the last day, and in all days at once only where it has too few of them", async () => {
  const { namespaceId } = await api.newTenant();
  const daysAgo = (days: number) => firstIdOf(new Date(Date.now() - days * 86_400_000));
  const functionId = daysAgo(100);
  const insertRuns = async (ids: readonly string[]) =>
    await api.store.pool.query(
      `INSERT INTO task_runs (id, finished_at, namespace_id, function_id, type, trigger, state, scheduled_for, available_at)
       SELECT id, now(), $2, $3, 'function', 'invoke', 'succeeded', now(), now() FROM unnest($1::uuid[]) id`,
      [ids, namespaceId, functionId],
    );
  await insertRuns([daysAgo(50)]);
  assert.deepEqual(await countLooks(functionId), { runs: 1, looks: 2 });
  await insertRuns(Array.from({ length: FIGURED_RUNS }, newId));
  assert.deepEqual(await countLooks(functionId), { runs: FIGURED_RUNS, looks: 1 });
});
