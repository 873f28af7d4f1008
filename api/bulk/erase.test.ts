/** `POST /v1/bulk` with `erase`: of what is erased nothing is left anywhere, and of all else everything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { ENDING_LOOK_MS } from "../../core/store/bulk/delete-namespace.ts";
import { driveBulkBatch } from "../../core/store/bulk/drive.ts";
import { makeCallbacks } from "../../core/store/callbacks/make-callbacks.ts";
import { keepEmail } from "../../core/store/captured-emails.ts";
import { ERASED_BY_QUOTE } from "../../core/store/erase/quotes.ts";
import { ERASED_WITH_TASKS } from "../../core/store/erase/task-data.ts";
import { foldErrors } from "../../core/store/errors/fold-errors.ts";
import { firstIdOf, newId } from "../../core/store/ids.ts";
import { findMentions, insertSample, listTables } from "../../core/store/testing/sample-rows.ts";
import { line, SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { until, untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const { store } = api;

/** Tables that have nothing of a task, and why; all others are erased from. */
const OF_NO_TASK: Record<string, string> = {
  activity_folds: "how far the ends of all runs are counted",
  activity_minutes: "how many runs of a namespace ended when",
  api_keys: "of who calls",
  bulk_actions: "what was asked for, with its filter: the receipt names what was erased",
  calendars: "of all tasks that name them",
  daily_runs: "how many runs of a namespace begin on a day",
  stored_bytes: "how much a namespace stores",
  enqueue_contract: "of the release",
  enqueue_roles: "of the namespace",
  erased_tasks: "of an erasure, while it runs",
  error_folds: "how far the errors of all are counted",
  function_kv: "of functions, whoever calls them",
  function_kv_usage: "of functions",
  function_revisions: "of functions",
  function_tags: "of functions",
  functions: "of the namespace",
  kysely_migration: "of the schema",
  kysely_migration_lock: "of the schema; it is there while somebody migrates",
  namespace_settings: "of the namespace",
  namespaces: "of the installation",
  open_streams: "streams that are open, by their namespace",
  queues: "of all tasks that name them",
  returned_permits: "counts of limits",
  run_fences: "ids of direct calls, which are of no task",
  run_limits: "limits, and keys in queues until no run has them",
  secrets: "of the namespace",
  sign_in_codes: "of the installation",
  signing_secrets: "of the namespace",
  token_subjects: "who came with tokens of an OpenID provider",
  virtual_clock: "there is one",
  waiting_callers: "of an API",
  worker_minutes: "of the installation",
  workers: "of the installation",
};
/** Named by its own module: see erase.ts. */
const ERASED = new Set([...ERASED_WITH_TASKS, ...ERASED_BY_QUOTE, "run_callbacks", "enqueued_tasks"]);

const make = async (tenant: TestCaller, method: string, path: string, body?: object, headers = {}) => {
  const answer = await tenant.call(method, path, { ...(body && { body: body as never }), headers });
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
};

const erase = (tenant: TestCaller, filter: object, more = {}) =>
  tenant.call("POST", "/v1/bulk", { body: { action: "erase", resource: "tasks", filter, ...more } as never });

async function drive(clock = systemClock) {
  await store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
  return await driveBulkBatch(store, { clock, functionCaps: DEFAULT_SETTINGS.functionCaps });
}

/** A batch that breaks off when all of it is done but the commit. */
async function breakOff(): Promise<void> {
  let looks = 0;
  const now = () => (++looks === 1 ? systemClock.now() : assert.fail("it breaks off"));
  await assert.rejects(drive({ ...systemClock, now }), /breaks off/);
}

/** Until nothing runs, or `isEnough` after a batch; how many batches it took. */
async function driveAll(isEnough: () => Promise<boolean> = async () => false): Promise<number> {
  for (let batches = 0; ; batches += 1) {
    assert.ok(batches < 1_000, "it ends");
    const driven = await drive();
    if (driven.kind === "idle" || (await isEnough())) return batches;
  }
}

const read = (tenant: TestCaller, id: string) => make(tenant, "GET", `/v1/bulk/${id}`);

/** Whoever has told of an end makes its callbacks beside. */
const untilCallbacksMade = () =>
  until(async () => {
    await makeCallbacks(store);
    return (await store.pool.query("SELECT FROM run_callbacks")).rowCount === 0 || undefined;
  });

/** A customer's tasks: something of theirs in every table that may have something of a task. */
async function fill(tenant: TestCaller, customer: string) {
  const word = `personal-${customer}`;
  const { namespaceId } = tenant;
  const shared = { type: "http", labels: { tenant: customer }, name: `report of ${word}` };
  const told = [{ type: "http", url: `https://example.com/told?of=${word}` }];
  const on = { always: [...told, { type: "email", to: `${word}@example.com` }] };
  const body = { of: word };
  const hourly = { ...shared, url: "https://example.com/", body, schedule: { every: "1h" }, on };
  const task = await make(
    tenant,
    "POST",
    "/v1/tasks",
    { ...hourly, key: `nightly-${word}` },
    { "idempotency-key": `made-${customer}` },
  );
  await make(tenant, "PATCH", `/v1/tasks/${task.id}`, { name: `changed report of ${word}` });
  await make(tenant, "POST", `/v1/tasks/${task.id}/pause`, undefined, {
    "idempotency-key": `paused-${customer}`,
  });
  await make(tenant, "POST", `/v1/tasks/${task.id}/resume`);
  await make(tenant, "POST", `/v1/tasks/${task.id}/hooks`, { name: word });
  const runs: string[] = [];
  const run = async () => {
    const { id } = await make(tenant, "POST", `/v1/tasks/${task.id}/run`, { body });
    runs.push(id);
    return id as string;
  };
  const lines = [line(`hello ${word}`, { fields: { word } })];
  const error = { ...SAMPLE_ERROR, message: `No ${customer}: refused ${word}.` };
  await api.work(await run(), { state: "succeeded", result: { word } }, lines);
  await api.work(await run(), { state: "failed", error }, lines);
  await api.work(await run(), { state: "dead", error }, lines);
  await api.work(await run(), { state: "scheduled", availableAt: new Date(Date.now() + 60_000), error });
  await run();
  const running = await api.start(await run());
  const message = { from: "a@example.com", to: [`${word}@example.com`], cc: [], bcc: [], replyTo: null };
  const rest = { subject: word, text: word, html: null, attachments: [] };
  await keepEmail(store, { namespaceId, runId: running.id, message: { ...message, ...rest } });
  // Deliveries that wait, one that has ended, and below a note of an end whose calls nobody has made yet.
  await untilCallbacksMade();
  const deliveries = await make(tenant, "GET", "/v1/runs?trigger=callback&limit=200");
  await api.work(deliveries.items[0].id, { state: "succeeded", result: { word } }, lines);
  await api.work(await run(), { state: "succeeded", result: { word } });
  await untilCallbacksMade();
  const refused = { type: "http", url: "nonsense", labels: { tenant: customer }, name: word };
  for (const refusedAt of [null, new Date()])
    await store.pool.query(
      `INSERT INTO enqueued_tasks (task_id, namespace_id, action, task, enqueued_by, refused_at, problem)
       VALUES ($1, $2, 'enqueue', $3, 'app', $4::timestamptz, CASE WHEN $4::timestamptz IS NOT NULL THEN '{}'::jsonb END)`,
      [newId(), namespaceId, JSON.stringify(refused), refusedAt],
    );
  await untilEventsSettled(store);
  await foldErrors(store, 1_000);
  const ids = [task.id as string, ...runs];
  const known = { namespace_id: namespaceId, task_id: task.id as string, run_id: runs[0]! };
  // Where nobody sees a row before all are checked: callbacks of an end are made beside, by whoever comes first.
  await inTransaction(store.pool, async (tx) => {
    for (const table of ERASED) {
      const mentions = () => findMentions(tx, table, [word, ...ids]);
      if ((await mentions()).length === 0)
        await insertSample(tx, table, { ...known, "function_hooks.function_id": null }, word);
      assert.ok((await mentions()).length > 0, `${table} has something of it`);
    }
  });
  return { word, ids, task, running };
}

/** What each table has of it. */
async function photograph(words: readonly string[]): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of await listTables(store)) {
    const rows = await findMentions(store, table, words);
    if (rows.length > 0) found[table] = rows;
  }
  return found;
}

/** But for notes of ends, which whoever comes by makes callbacks of. */
async function photographKept({ word, ids }: { word: string; ids: readonly string[] }) {
  const { run_callbacks: _, ...kept } = await photograph([word, ...ids]);
  return kept;
}

/** Their ids alone, in the log of who changed what, in how far the erasure came, and in paths that requests were sent to. */
async function assertIdsAlone(ids: readonly string[]): Promise<void> {
  const {
    audit_log: audited = [],
    bulk_actions: _own,
    idempotency_keys: sent = [],
    ...left
  } = await photograph(ids);
  assert.deepEqual(left, {});
  assert.ok(audited.length > 3, "who did what to it is still told");
  for (const entry of audited) {
    const { before, after } = JSON.parse(entry);
    for (const quoted of [before, after]) assert.ok(quoted === null || quoted.erased === true, entry);
  }
  for (const key of sent) assert.equal(JSON.parse(key).answer, null);
}

test("every table is erased from, or has nothing of a task", async () => {
  const tables = await listTables(store);
  assert.deepEqual(
    tables.filter((table) => !ERASED.has(table) && !(table in OF_NO_TASK)),
    [],
  );
  assert.deepEqual(
    Object.keys(OF_NO_TASK).filter((table) => ERASED.has(table)),
    [],
  );
});

test("of what is erased nothing is left in any table, of all else everything; the receipt says what went", async () => {
  const tenant = await api.newTenant();
  const leaving = await fill(tenant, "acme");
  const staying = await fill(tenant, "beta");
  const before = await photographKept(staying);
  const { status, body } = await erase(tenant, { label: ["tenant=acme"] });
  assert.deepEqual([status, body.state, body.receipt], [202, "running", {}]);
  // A task of the label that is made from now on is another one.
  const later = await make(tenant, "POST", "/v1/tasks", {
    type: "http",
    url: "https://example.com/",
    labels: { tenant: "acme" },
    schedule: { every: "1h" },
  });
  const isAsked = async () =>
    (
      await store.pool.query("SELECT FROM task_runs_open WHERE id = $1 AND cancel_requested_at IS NOT NULL", [
        leaving.running.id,
      ])
    ).rowCount === 1;
  await driveAll(isAsked);
  await drive();
  const waiting = await drive();
  assert.deepEqual([waiting.kind, waiting.kind === "batch" && waiting.restMs], ["batch", ENDING_LOOK_MS]);
  assert.equal((await read(tenant, body.id)).state, "running", "what runs is waited for");
  await api.finish(leaving.running, { state: "succeeded", result: leaving.word }, [line(leaving.word)]);
  await driveAll();
  // A worker that records what it has recorded already, or comes late with an e-mail, leaves nothing.
  await api.finish(leaving.running, { state: "succeeded", result: leaving.word }, [line(leaving.word)]);
  const message = {
    from: "a",
    to: [leaving.word],
    cc: [],
    bcc: [],
    replyTo: null,
    subject: "",
    text: "",
    html: null,
    attachments: [],
  };
  await keepEmail(store, { namespaceId: tenant.namespaceId, runId: leaving.running.id, message });
  await makeCallbacks(store);
  await foldErrors(store, 1_000);

  assert.deepEqual(await photograph([leaving.word]), {});
  await assertIdsAlone(leaving.ids);
  assert.deepEqual(await photographKept(staying), before);
  assert.equal((await make(tenant, "GET", `/v1/tasks/${later.id}`)).state, "active");

  const over = await read(tenant, body.id);
  assert.deepEqual([over.state, over.done, over.failed, over.error], ["succeeded", 1, 0, null]);
  const {
    tasks,
    runs,
    logLines,
    deliveries,
    events,
    emails,
    enqueuedTasks,
    answers,
    auditEntries,
    errorGroups,
  } = over.receipt;
  assert.deepEqual([tasks, runs, emails, enqueuedTasks, errorGroups], [1, 7, 1, 2, 1]);
  assert.ok(
    logLines >= 4 && deliveries >= 6 && events >= 7 && answers === 2 && auditEntries >= 4,
    JSON.stringify(over.receipt),
  );
  const { items } = await make(tenant, "GET", `/v1/audit?resource=bulk/${body.id}`);
  const [ended, asked] = items;
  assert.deepEqual([ended.action, asked.action], ["endErasure", "createBulkAction"]);
  assert.deepEqual([ended.actor.keyId, ended.actor.name], [asked.actor.keyId, asked.actor.name]);
  assert.equal(over.createdBy, asked.actor.keyId);
  assert.deepEqual([ended.after.state, ended.after.receipt], ["succeeded", over.receipt]);
  const paused = `/v1/tasks/${leaving.task.id}/pause`;
  const repeated = await tenant.call("POST", paused, { headers: { "idempotency-key": "paused-acme" } });
  assertProblem(repeated, 409, "answer_not_kept");
});

test("what breaks off, at any step, is done again, is shown meanwhile, and counts once", async () => {
  const tenant = await api.newTenant();
  const { word, ids, running } = await fill(tenant, "broken");
  await api.finish(running, { state: "cancelled" });
  const { body } = await erase(tenant, { label: ["tenant=broken"] });
  for (let steps = 0; ; steps += 1) {
    assert.ok(steps < 1_000, "it ends");
    await breakOff();
    const { state, error } = await read(tenant, body.id);
    assert.deepEqual([state, error.code], ["running", "internal_error"]);
    await drive();
    const { state: next, error: none } = await read(tenant, body.id);
    assert.equal(none, null);
    if (next === "succeeded") break;
  }
  assert.deepEqual(await photograph([word]), {});
  await assertIdsAlone(ids);
  const { done, receipt } = await read(tenant, body.id);
  assert.deepEqual([done, receipt.tasks, receipt.runs, receipt.enqueuedTasks], [1, 1, 7, 2]);
});

test("one that failed is asked for again, and erases what it had left", async () => {
  const tenant = await api.newTenant();
  const { word, ids, running } = await fill(tenant, "failed");
  await api.finish(running, { state: "cancelled" });
  const filter = { label: ["tenant=failed"] };
  const { body: first } = await erase(tenant, filter);
  const isHidden = async () => (await tenant.call("GET", `/v1/tasks/${ids[0]}`)).status === 404;
  await driveAll(isHidden);
  for (let faults = 0; faults < 5; faults += 1) await breakOff();
  assert.equal((await read(tenant, first.id)).state, "failed");
  const counted = await erase(tenant, filter, { dryRun: true });
  assert.equal(counted.body.matched, 1, "it is found, though nobody is shown it");
  await erase(tenant, filter);
  await driveAll();
  assert.deepEqual(await photograph([word]), {});
  await assertIdsAlone(ids);
});

test("what one that failed had hidden is erased by the next, whatever that asks for, and the failure is in the audit log", async () => {
  const tenant = await api.newTenant();
  const { word, ids, running } = await fill(tenant, "hidden");
  await api.finish(running, { state: "cancelled" });
  const filter = { label: ["tenant=hidden"], state: ["active"] };
  const { body: first } = await erase(tenant, filter);
  await driveAll(async () => (await tenant.call("GET", `/v1/tasks/${ids[0]}`)).status === 404);
  for (let faults = 0; faults < 5; faults += 1) await breakOff();
  const { items } = await make(tenant, "GET", `/v1/audit?resource=bulk/${first.id}`);
  assert.deepEqual([items[0].action, items[0].after.state], ["endErasure", "failed"]);
  const { body: second } = await erase(tenant, filter);
  await driveAll();
  assert.equal((await read(tenant, second.id)).receipt.tasks, 1);
  // What is to become a task has no state.
  assert.deepEqual(Object.keys(await photograph([word])), ["enqueued_tasks"]);
});

test("a task is found that was made before by a machine whose clock is ahead", async () => {
  const tenant = await api.newTenant();
  const { id } = await make(tenant, "POST", "/v1/tasks", {
    type: "http",
    url: "https://example.com/",
    labels: { tenant: "ahead" },
    schedule: { every: "1h" },
  });
  const aheadId = firstIdOf(new Date(Date.now() + 60_000));
  await store.pool.query("UPDATE tasks SET id = $2 WHERE id = $1", [id, aheadId]);
  const { body } = await erase(tenant, { label: ["tenant=ahead"] });
  await driveAll();
  assert.equal((await read(tenant, body.id)).done, 1);
});

test("an abort ends what was begun, and takes up no more", async () => {
  const tenant = await api.newTenant();
  const labels = { tenant: "many" };
  const items = Array.from({ length: 60 }, (_, at) => ({
    type: "http",
    url: "https://example.com/",
    labels,
    name: `one of ${at}`,
    schedule: { every: "1h" },
  }));
  await make(tenant, "POST", "/v1/tasks/batch", { items });
  const count = async () => (await make(tenant, "GET", "/v1/tasks?limit=200")).items.length;
  const { body } = await erase(tenant, { label: ["tenant=many"] });
  await driveAll(async () => (await count()) < 60);
  const writer = await api.newCaller(tenant.namespaceId, ["read", "write"]);
  assertProblem(await writer.call("POST", `/v1/bulk/${body.id}/abort`), 403, "forbidden");
  const asked = await make(tenant, "POST", `/v1/bulk/${body.id}/abort`);
  assert.deepEqual([asked.state, asked.aborting], ["running", true]);
  assert.deepEqual(await make(tenant, "POST", `/v1/bulk/${body.id}/abort`), asked, "it may be repeated");
  await driveAll();
  const over = await read(tenant, body.id);
  assert.deepEqual([over.state, over.done, over.aborting, await count()], ["aborted", 50, undefined, 10]);
  const { items: entries } = await make(tenant, "GET", `/v1/audit?resource=bulk/${body.id}`);
  assert.deepEqual(
    entries.map(({ action }: { action: string }) => action),
    ["endErasure", "abortBulkAction", "createBulkAction"],
  );
});

test("a preview counts, changes nothing, and is its asker's to have; an erasure is an administrator's", async () => {
  const tenant = await api.newTenant();
  const { word, ids, running } = await fill(tenant, "gamma");
  const before = await photographKept({ word, ids });
  const { status, body } = await erase(tenant, { label: ["tenant=gamma"] }, { dryRun: true });
  assert.deepEqual([status, body.id, body.matched], [200, null, 1]);
  const writer = await api.newCaller(tenant.namespaceId, ["read", "write", "deploy", "invoke"]);
  for (const more of [{}, { dryRun: true }])
    assertProblem(await erase(writer, { label: ["tenant=gamma"] }, more), 403, "forbidden");
  const stranger = await api.newTenant();
  await erase(stranger, {});
  await driveAll();
  assert.deepEqual(await photographKept({ word, ids }), before);
  await api.finish(running, { state: "cancelled" });
});

test("what was under way when it began is waited for, and erased too", async () => {
  const tenant = await api.newTenant();
  const labels = { tenant: "delta" };
  const { body } = await inTransaction(store.pool, async (tx) => {
    // A request that came before, and has made its task, but has not committed.
    const { id } = await make(tenant, "POST", "/v1/tasks", {
      type: "http",
      url: "https://example.com/",
      labels: { tenant: "other" },
      schedule: { every: "1h" },
    });
    await tx.pool.query("UPDATE tasks SET labels = $2 WHERE id = $1", [id, JSON.stringify(labels)]);
    const asked = await erase(tenant, { label: ["tenant=delta"] });
    for (let looks = 0; looks < 5; looks += 1) await drive();
    assert.equal((await read(tenant, asked.body.id)).done, 0);
    return asked;
  });
  await driveAll();
  const { state, done } = await read(tenant, body.id);
  assert.deepEqual([state, done], ["succeeded", 1]);
});

test("a group of errors keeps what others say of it", async () => {
  const tenant = await api.newTenant();
  const fail = async (customer: string, message: string) => {
    const labels = { tenant: customer };
    const { runId } = await make(tenant, "POST", "/v1/tasks", {
      type: "http",
      url: "https://example.com/",
      labels,
    });
    await api.work(runId, { state: "failed", error: { ...SAMPLE_ERROR, message } });
    return runId as string;
  };
  const kept = await fail("stays", "Order 17 was refused.");
  await fail("goes", "Order 4711 was refused.");
  await untilEventsSettled(store);
  await foldErrors(store, 1_000);
  const list = async () => (await make(tenant, "GET", "/v1/errors")).items;
  assert.deepEqual(
    (await list()).map(({ message, count }: Record<string, unknown>) => [message, count]),
    [["Order 4711 was refused.", 2]],
  );
  await erase(tenant, { label: ["tenant=goes"] });
  await driveAll();
  const [group] = await list();
  assert.deepEqual([group.message, group.sampleRunIds], ["Order 17 was refused.", [kept]]);
});
