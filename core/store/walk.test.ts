import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type KyselyPlugin, sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import type { RunFilter } from "../contracts/run-filter.ts";
import type { Db } from "./database.ts";
import { newId } from "./ids.ts";
import { planRunWalks } from "./runs/filter.ts";
import { listRuns } from "./runs/read.ts";
import { openTestStore } from "./testing/test-store.ts";
import { MAX_PAGE_BYTES, type PageOptions, readWalks, type Walk } from "./walk.ts";

const { db, store, newNamespace } = await openTestStore(createTestDatabase);

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
  await readWalks(of, walks, { select: (found) => sql<{ id: string }>`SELECT r.id FROM (${found}) r` }, page);

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

const RESULT_BYTES = 1_000_000;

/** Results of the largest size, which no compression makes small, or one that does. */
async function makeLargeRuns(namespaceId: string, count: number, isCompressible: boolean): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const id = await makeRun(namespaceId);
    const text = isCompressible ? "a".repeat(RESULT_BYTES) : randomBytes(RESULT_BYTES / 2).toString("hex");
    await sql`UPDATE task_runs_open SET result = ${JSON.stringify(text)}::jsonb WHERE id = ${id}`.execute(db);
    ids.push(id);
  }
  return ids;
}

/** Read by one walk, and by one that has to look at rows. */
const LARGE_LISTS: { order: "asc" | "desc"; filter: RunFilter }[] = [
  { order: "asc", filter: {} },
  { order: "desc", filter: { state: ["queued"], trigger: "manual" } },
];

for (const isCompressible of [false, true])
  for (const { order, filter } of LARGE_LISTS)
    test(`a page of large ${isCompressible ? "compressed " : ""}results is bounded in bytes, ${order}, and the next goes on where it ended`, async () => {
      const namespaceId = await newNamespace();
      const ids = await makeLargeRuns(namespaceId, 24, isCompressible);
      const small = await makeRun(namespaceId);
      const seen: string[] = [];
      let afterId: string | null | undefined;
      do {
        const page = await listRuns(store, namespaceId, filter, { limit: 200, order, afterId });
        const bytes = page.rows.reduce((sum, { result }) => sum + JSON.stringify(result).length, 0);
        assert.ok(page.rows.length > 0, "a page holds a run, however large");
        // The same letter over and over is compressed to a fifth of what pages take for the least.
        const most = MAX_PAGE_BYTES * (isCompressible ? 5 : 1) + RESULT_BYTES + 2;
        assert.ok(bytes <= most, `${bytes} bytes in a page`);
        seen.push(...page.rows.map(({ id }) => id));
        afterId = page.nextId;
      } while (afterId !== null);
      const all = [...ids, small];
      assert.deepEqual(seen, order === "asc" ? all : all.toReversed());
    });
