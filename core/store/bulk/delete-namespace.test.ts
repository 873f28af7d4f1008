import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../config/function-caps.ts";
import { readSettings } from "../../config/settings.ts";
import { newId } from "../ids.ts";
import { ensureNamespace } from "../keys.ts";
import { createNamespace, findNamespace } from "../namespaces.ts";
import { finishAttempts } from "../runs/finish.ts";
import { createTask } from "../tasks/create.ts";
import { columnsOf, findMentions, insertSample, listTables } from "../testing/sample-rows.ts";
import {
  deployFunction,
  finished,
  httpTask,
  line,
  makeWorker,
  queueRun,
  SAMPLE_ERROR,
  startRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { abortBulk, findBulk, listBulks } from "./bulk-actions.ts";
import { closeNamespace, deleteLate } from "./delete-namespace.ts";
import { driveBulkBatch } from "./drive.ts";
import { NAMESPACE_TABLES } from "./namespace-data.ts";

const { store, db } = await openTestStore(createTestDatabase);
const now = new Date();
const options = {
  clock: createManualClock(now),
  functionCaps: toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})),
};
const defaultId = await ensureNamespace(db, "default");
const workerId = await makeWorker(db);

/** Tables of the installation as a whole, and why no namespace has rows there. */
const OF_THE_INSTALLATION: Record<string, string> = {
  workers: "they work for all",
  run_fences: "ids of runs, which say nothing and go after a day: a call that is written late finds its own",
  error_folds: "how far the errors of all are counted",
  activity_folds: "how far the ends of all runs are counted",
  worker_minutes: "of the workers, who work for all",
  enqueue_contract: "of the release",
  virtual_clock: "there is one",
  waiting_callers: "how many an API has, and not whose",
  sign_in_codes: "of who started the installation, for an hour",
  token_subjects: "an OpenID provider's, who may act in several namespaces",
  kysely_migration: "of the schema",
  kysely_migration_lock: "of the schema",
};

/** Rows that hold the id of something of a namespace. */
const countOf = async (table: string, ids: readonly string[]) =>
  (await findMentions(store, table, ids)).length;

async function countAll(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of await listTables(store)) {
    const { rows } = await store.pool.query(`SELECT count(*)::int AS count FROM ${table}`);
    counts[table] = rows[0].count;
  }
  return counts;
}

/** A namespace with something in every table that may hold something of one. */
async function fillNamespace(name: string) {
  const { id: namespaceId } = await inTransaction(store.pool, (tx) => createNamespace(tx, name));
  const input = httpTask({ kind: "every", everyMs: 3_600_000 });
  const { task } = await createTask(store, { namespaceId, input, now });
  const queued = await queueRun(store, namespaceId);
  const [running, dead, ended] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await finishAttempts(store, workerId, [
    finished(dead, workerId, { state: "dead", error: SAMPLE_ERROR }),
    finished(ended, workerId, { state: "succeeded", result: 1 }, [line("hello")]),
  ]);
  const functionId = await deployFunction(db, namespaceId, "greet");
  const key = `function:${functionId}`;
  const { rows: revisions } = await store.pool.query<{ id: string }>(
    "SELECT id FROM function_revisions WHERE function_id = $1",
    [functionId],
  );
  const known = {
    ...{ namespace_id: namespaceId, task_id: task.id, run_id: ended.id, function_id: functionId },
    ...{ "run_limits.key": key, "returned_permits.key": key, revision_id: revisions[0]!.id },
    // A function's.
    "function_hooks.task_id": null,
  };
  const ids = [namespaceId, task.id, queued, running.id, dead.id, ended.id, functionId];
  for (const table of NAMESPACE_TABLES)
    if ((await countOf(table, ids)) === 0) await insertSample(store, table, known);
  for (const table of NAMESPACE_TABLES)
    assert.ok((await countOf(table, ids)) > 0, `${table} has a row of it`);
  return { namespaceId, running, ids };
}

const askFor = (name: string) =>
  inTransaction(store.pool, (tx) => closeNamespace(tx, { name, traceparent: undefined, by: newId() }));

async function drive() {
  await store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
  return await driveBulkBatch(store, options);
}

test("every table is of namespaces, and goes with them, or of the installation", async () => {
  const tables = await listTables(store);
  const named = [...NAMESPACE_TABLES, ...Object.keys(OF_THE_INSTALLATION)];
  assert.deepEqual(
    tables.filter((table) => !named.includes(table)),
    [],
  );
  for (const table of tables) {
    const hasNamespace = (await columnsOf(store, table)).some(({ name }) => name === "namespace_id");
    if (hasNamespace) assert.ok(NAMESPACE_TABLES.has(table), table);
  }
});

test("of a namespace that is deleted nothing is left, of another everything, and the receipt says what went", async () => {
  const other = await fillNamespace("staying");
  const before = await countAll();
  const { running, ids } = await fillNamespace("leaving");
  const asked = (await askFor("leaving"))!;
  assert.deepEqual(
    [asked.resource, asked.action, asked.filter],
    ["namespaces", "delete", { namespace: "leaving" }],
  );
  assert.equal((await askFor("leaving"))!.id, asked.id, "it may be asked for again");
  assert.ok((await findNamespace(store, "leaving"))!.closedAt);
  let hasEnded = false;
  for (let batches = 0; ; batches += 1) {
    assert.ok(batches < 50, "it ends");
    const driven = await drive();
    if (driven.kind === "resting" && !hasEnded) {
      assert.ok((await countOf("task_runs_open", [running.id])) === 1, "what runs is waited for");
      await finishAttempts(store, workerId, [finished(running, workerId, { state: "cancelled" })]);
      hasEnded = true;
    }
    if (driven.kind === "batch" && driven.batch.state !== "running") break;
  }
  const bulk = (await findBulk(store, defaultId, asked.id, true))!;
  assert.equal(bulk.state, "succeeded");
  for (const table of await listTables(store))
    if (table !== "bulk_actions" && table !== "run_fences")
      assert.equal(await countOf(table, ids), 0, `nothing is left in ${table}`);
  assert.deepEqual(await countAll(), { ...before, bulk_actions: before["bulk_actions"]! + 1 });
  for (const table of NAMESPACE_TABLES)
    assert.ok((await countOf(table, other.ids)) > 0, `${table} of another`);
  const receipt = bulk.receipt!;
  const { tasks, runs, logLines, functions, namespaces } = receipt;
  assert.ok(tasks! >= 4 && runs! >= 4 && logLines! >= 1, JSON.stringify(receipt));
  assert.deepEqual([functions, namespaces], [1, 1]);
  assert.equal(
    bulk.done,
    Object.values(receipt).reduce((sum, count) => sum + count, 0),
  );
  assert.equal(await findNamespace(store, "leaving"), undefined);
  await inTransaction(store.pool, (tx) => createNamespace(tx, "leaving"));
});

test("a batch that breaks off leaves nothing of it, and the deletion goes on", async () => {
  await fillNamespace("breaking");
  const asked = (await askFor("breaking"))!;
  const broken = { ...options, clock: { ...options.clock, now: () => assert.fail("it breaks off") } };
  await store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
  await assert.rejects(driveBulkBatch(store, broken as never), /breaks off/);
  await drive();
  assert.equal((await findBulk(store, defaultId, asked.id, true))!.state, "running");
  await store.pool.query("DELETE FROM task_runs_open WHERE state = 'running'");
  for (let driven = await drive(); driven.kind !== "idle"; driven = await drive());
  assert.equal(await findNamespace(store, "breaking"), undefined);
});

test("a deletion is an operator's to see, and nobody's to abort", async () => {
  await inTransaction(store.pool, (tx) => createNamespace(tx, "hidden"));
  const { id } = (await askFor("hidden"))!;
  assert.equal(await findBulk(store, defaultId, id), undefined);
  assert.ok(!(await listBulks(store, defaultId, 200, undefined)).some((bulk) => bulk.id === id));
  assert.ok((await listBulks(store, defaultId, 200, undefined, true)).some((bulk) => bulk.id === id));
  assert.equal(await abortBulk(store, defaultId, id), undefined);
  await assert.rejects(abortBulk(store, defaultId, id, true), { code: "deletion_not_abortable" });
});

test("default is not deleted, and what nobody has is not there", async () => {
  await assert.rejects(askFor("default"), { code: "default_namespace", status: 409 });
  assert.equal(await askFor("nobodys"), undefined);
});

test("what is written of a namespace after it is gone goes too, and is in the receipt", async () => {
  const { id: namespaceId } = await inTransaction(store.pool, (tx) => createNamespace(tx, "late"));
  const { id } = (await askFor("late"))!;
  while ((await drive()).kind !== "idle");
  await insertSample(store, "events", { namespace_id: namespaceId });
  assert.equal(await inTransaction(store.pool, (tx) => deleteLate(tx, () => false)), true);
  assert.equal(await inTransaction(store.pool, (tx) => deleteLate(tx, () => false)), false);
  assert.equal(await countOf("events", [namespaceId]), 0);
  assert.equal((await findBulk(store, defaultId, id, true))!.receipt!["events"], 1);
});
