import assert from "node:assert/strict";
import { test } from "node:test";
import { type KyselyPlugin, sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import type { Db } from "./database.ts";
import { newId } from "./ids.ts";
import { planRunWalks } from "./runs/filter.ts";
import { openTestStore } from "./testing/test-store.ts";
import { type PageOptions, readWalks, type Walk } from "./walk.ts";

const { db, newNamespace } = await openTestStore(createTestDatabase);

async function makeRun(namespaceId: string, trigger: "manual" | "hook" = "manual"): Promise<string> {
  const id = newId();
  await sql`INSERT INTO task_runs (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at)
    VALUES (${id}, ${namespaceId}, ${newId()}, 'http', ${trigger}, 'queued', now(), now())`.execute(db);
  return id;
}

/** The database of somebody whom `change`, by another connection, comes between his first statement and the next. */
function interrupted(change: () => Promise<unknown>): Db {
  let isChanged = false;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      if (!isChanged) await change();
      isChanged = true;
      return result;
    },
  };
  return db.withPlugin(plugin);
}

const readIds = async (of: Db, walks: Walk[], page: PageOptions) =>
  await readWalks(of, walks, (found) => sql<{ id: string }>`SELECT r.id FROM (${found}) r`, page);

test("a run that changes its state while a page is read is on it: two walks that are to find it are of one instant", async () => {
  const namespaceId = await newNamespace();
  const id = await makeRun(namespaceId);
  const walks = await planRunWalks(db, namespaceId, { state: ["running", "queued"] });
  const claimed = interrupted(() =>
    sql`UPDATE task_runs_open SET state = 'running', started_at = now(), worker_id = ${newId()} WHERE id = ${id}`.execute(
      db,
    ),
  );
  const { rows } = await readIds(claimed, walks, { limit: 5 });
  assert.deepEqual(rows, [{ id }]);
});

test("runs that end while a page is read move no other one past its cursor", async () => {
  const namespaceId = await newNamespace();
  const ids = [await makeRun(namespaceId), await makeRun(namespaceId), await makeRun(namespaceId)];
  const wanted = await makeRun(namespaceId, "hook");
  const walks = (await planRunWalks(db, namespaceId, { state: ["queued"], trigger: "hook" })).map((walk) => ({
    ...walk,
    maxRows: ids.length,
  }));
  const ended = interrupted(() => sql`DELETE FROM task_runs_open WHERE id = ${ids[0]}`.execute(db));
  const first = await readIds(ended, walks, { limit: 5, order: "asc" });
  assert.deepEqual(first, { rows: [], nextId: ids[2] });
  const next = await readIds(db, walks, { limit: 5, order: "asc", afterId: first.nextId });
  assert.deepEqual(next, { rows: [{ id: wanted }], nextId: null });
});
