/** The whole way, by the real clock. BULK_TASKS sets the size: `BULK_TASKS=100000 node test/run.ts scheduler/drive-bulk.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { createRunEnds } from "../core/run-ends/run-ends.ts";
import { abortBulk, createBulk, findBulk } from "../core/store/bulk/bulk-actions.ts";
import { newId } from "../core/store/ids.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { httpTask } from "../core/store/testing/samples.ts";
import { openTestStore, until } from "../core/store/testing/test-store.ts";
import { inTransaction } from "../core/store/transaction.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { driveBulkActions } from "./drive-bulk.ts";

const TASKS = Number(process.env["BULK_TASKS"] ?? 1_000);
const PATIENCE_MS = 900_000;

const { store, newNamespace } = await openTestStore(createTestDatabase);

/** As many scheduled tasks as are asked for, made by one statement. */
async function fillTasks(namespaceId: string): Promise<void> {
  const input = httpTask({ kind: "every", everyMs: 3_600_000 });
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const ids = Array.from({ length: TASKS - 1 }, newId);
  await store.pool.query(
    `INSERT INTO tasks SELECT made.* FROM tasks t, unnest($2::uuid[]) AS other(id),
       jsonb_populate_record(t, jsonb_build_object('id', other.id)) AS made WHERE t.id = $1`,
    [task.id, ids],
  );
  await store.pool.query("ANALYZE tasks");
}

test("a bulk cancel of many tasks, driven by two schedulers and aborted half way, has true counts", {
  timeout: PATIENCE_MS,
}, async (t) => {
  const namespaceId = await newNamespace();
  await fillTasks(namespaceId);
  const id = newId();
  const asked = { action: "cancel", resource: "tasks", filter: {} } as const;
  await inTransaction(store.pool, (tx) =>
    createBulk(tx, { id, namespaceId, ...asked, traceparent: undefined }),
  );
  const context = {
    ...{ store, clock: systemClock },
    functionCaps: toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})),
    transport: { async ring() {} },
    notifier: { notify() {}, async flush() {} },
    ends: createRunEnds([], (error) => assert.fail(String(error))),
    log: createLogger("scheduler", "silent"),
  };
  const stopping = new AbortController();
  const beganMs = performance.now();
  // One that has nothing to do comes again, as the job does at its period.
  const schedulers = [1, 2].map(async () => {
    while (!stopping.signal.aborted) {
      await driveBulkActions(context, stopping.signal);
      await systemClock.sleep(50, stopping.signal);
    }
  });
  await until(
    async () => ((await findBulk(store, namespaceId, id))!.done >= TASKS / 2 ? true : undefined),
    PATIENCE_MS,
  );
  const aborted = (await abortBulk(store, namespaceId, id))!;
  const tookMs = performance.now() - beganMs;
  stopping.abort();
  await Promise.all(schedulers);
  t.diagnostic(`${aborted.done} of ${TASKS} tasks cancelled in ${Math.round(tookMs)} ms`);
  const { rows } = await store.pool.query<{ cancelled: number; active: number }>(
    `SELECT count(*) FILTER (WHERE state = 'cancelled')::int AS cancelled,
       count(*) FILTER (WHERE state = 'active')::int AS active FROM tasks WHERE namespace_id = $1`,
    [namespaceId],
  );
  assert.equal(aborted.state, "aborted");
  assert.ok(aborted.done >= TASKS / 2 && aborted.done < TASKS, `${aborted.done}`);
  assert.deepEqual(rows, [{ cancelled: aborted.done, active: TASKS - aborted.done }]);
  assert.deepEqual(await findBulk(store, namespaceId, id), aborted, "nothing was done after the abort");
});
