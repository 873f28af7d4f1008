import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findOverdueRuns } from "./find-claimable.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

test("overdue runs are told oldest first, those that are not overdue long enough are not", async () => {
  const namespaceId = await newNamespace();
  const ids: string[] = [];
  for (const secondsAgo of [30, 10, 20, 1]) {
    const id = await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - ${secondsAgo}::int * interval '1 second'
      WHERE id = ${id}`.execute(db);
    ids.push(id);
  }
  const [thirty, ten, twenty] = ids;
  const told = async (limit: number) =>
    (await findOverdueRuns(store, 5_000, limit)).map(({ runId }) => runId);
  assert.deepEqual(await told(10), [thirty, twenty, ten]);
  assert.deepEqual(await told(2), [thirty, twenty]);
});
