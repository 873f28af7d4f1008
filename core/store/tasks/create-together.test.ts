/** Tasks that are made at the same moment share statements; each is made, or refused, as if it had been made alone. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import type { TaskSpec } from "../../domain/task-spec.ts";
import { JsonSource } from "../../json-source.ts";
import type { Store } from "../database.ts";
import { newId } from "../ids.ts";
import { listRuns } from "../runs/read.ts";
import { deployFunction, type GivenTask, httpTask } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { createTask, longestWaitOfManyMs, type NewTask } from "./create.ts";
import { findTask } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const NOW = new Date("2026-03-02T10:00:00.000Z");
beforeEach(clear);

const greeting = (functionName: string): GivenTask => ({
  spec: { type: "function", function: functionName } as TaskSpec,
});
const at = (given: GivenTask = {}) => httpTask({ kind: "now" }, given);

/** What became of each: its code where it was refused. */
async function makeAll(given: (Omit<NewTask, "now"> & { id: string })[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(given.map((each) => createTask(store, { ...each, now: NOW })));
  return outcomes.map((each) => (each.status === "fulfilled" ? "made" : each.reason.code));
}

const areThere = async (namespaceId: string, ids: string[]) =>
  await Promise.all(ids.map(async (id) => (await findTask(store, namespaceId, id)) !== undefined));

/** Somebody who keeps a row from those who refer to it, until the end. */
async function holdRow({ pool }: Store, table: "namespaces" | "functions", id: string) {
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query(`SELECT FROM ${table} WHERE id = $1 FOR UPDATE`, [id]);
  return {
    async letGo() {
      await client.query("COMMIT");
      client.release();
    },
  };
}

test("one that is refused for whatever reason is refused alone", async () => {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "greet");
  await createTask(store, { namespaceId, input: at({ key: "taken" }), now: NOW });
  const body = new JsonSource('{"a":1e999999}');
  const refused: Record<string, Omit<NewTask, "now">> = {
    "23503": { namespaceId: newId(), input: at() },
    "23514": { namespaceId, input: at({ timeoutMs: -1 }) },
    "22003": { namespaceId, input: at({ timeoutMs: 1e12 }) },
    "22003 in an array": { namespaceId, input: at({ spec: { ...at().spec, body } as TaskSpec }) },
    task_key_taken: { namespaceId, input: at({ key: "taken" }) },
  };
  const noFunction = { namespaceId, functionId: newId(), input: at(greeting("gone")) };
  const sound = [
    { namespaceId, input: at() },
    { namespaceId, functionId, input: at(greeting("greet")) },
    { namespaceId: await newNamespace(), input: at() },
    { namespaceId, input: at({ key: "free" }) },
  ];
  const all = Array.from({ length: 60 }, (_, index) => {
    const faulty = { 9: "23503", 20: "23514", 21: "22003", 33: "22003 in an array", 40: "task_key_taken" }[
      index
    ];
    if (index === 50) return { given: noFunction, outcome: "23503" };
    if (faulty !== undefined) return { given: refused[faulty]!, outcome: faulty.split(" ")[0]! };
    return { given: sound[index === 3 ? 3 : index % 3]!, outcome: "made" };
  }).map(({ given, outcome }) => ({ given: { ...given, id: newId() }, outcome }));
  const outcomes = await makeAll(all.map(({ given }) => given));
  assert.deepEqual(
    outcomes,
    all.map(({ outcome }) => outcome),
  );
  for (const { given, outcome } of all)
    assert.deepEqual(await areThere(given.namespaceId, [given.id]), [outcome === "made"], outcome);
});

test("of many that one request makes those are refused alone that hold what cannot be stored", async () => {
  const namespaceId = await newNamespace();
  const faulty = new Map([
    [7, at({ spec: { ...at().spec, body: new JsonSource('{"a":1e999999}') } as TaskSpec })],
    [180, at({ timeoutMs: -1 })],
    [181, at({ spec: { ...at().spec, body: new JsonSource("[1e-99999]") } as TaskSpec })],
  ]);
  const all = Array.from({ length: 250 }, (_, index) => ({
    ...{ id: newId(), namespaceId, isOfMany: true },
    input: faulty.get(index) ?? at({ name: `task ${index}` }),
  }));
  const codes: Record<number, string> = { 7: "22003", 180: "23514", 181: "22003" };
  assert.deepEqual(
    await makeAll(all),
    all.map((_, index) => codes[index] ?? "made"),
  );
  const ids = all.map(({ id }) => id);
  assert.deepEqual(
    await areThere(namespaceId, ids),
    all.map((_, index) => !faulty.has(index)),
  );
});

test("each has what was given for it, whatever it has in common with the others", async () => {
  const namespaces = [await newNamespace(), await newNamespace()];
  const [by, other] = [newId(), newId()];
  // Of some it is the very same objects that they have in common.
  const plain = at();
  const shapes: { like: TaskInput; by: string | null }[] = [
    { like: plain, by: null },
    { like: plain, by },
    { like: plain, by: other },
    { like: { ...plain, labels: { team: "a" } }, by },
    { like: { ...plain, labels: { team: "b" } }, by },
    { like: at({ priority: 3 }), by },
    { like: at({ queue: "mail", concurrencyKey: "customer-7" }), by },
    { like: at({ timeoutMs: 1_000, deadLetter: false, pauseAfterFailures: 3 }), by },
    { like: at({ retry: { ...plain.policy.retry, maxAttempts: 9 }, ttlMs: 60_000 }), by: other },
    { like: { ...plain, on: { failure: [{ type: "email", to: ["a@example.com"] }] } as never }, by },
  ];
  const all = Array.from({ length: 72 }, (_, index) => {
    const { like, by } = shapes[(index >> 2) % shapes.length]!;
    const input = { ...like, name: `task ${index}` };
    // One that is refused has the others made in halves.
    const faulty = index === 31 ? at({ timeoutMs: -1 }) : undefined;
    return { id: newId(), namespaceId: namespaces[(index >> 1) % 2]!, input: faulty ?? input, by };
  });
  const outcomes = await makeAll(all);
  assert.deepEqual(
    outcomes,
    all.map((_, index) => (index === 31 ? "23514" : "made")),
  );
  for (const [index, { id, namespaceId, input, by }] of all.entries()) {
    if (index === 31) continue;
    const found = await findTask(store, namespaceId, id);
    assert.ok(found, `${index} is in its namespace`);
    const { spec, schedule, policy, labels, on, name } = found;
    assert.deepEqual({ spec, schedule, policy, labels, on, name, key: null }, input);
    const { created_by } = await db
      .selectFrom("tasks")
      .select("created_by")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    assert.equal(created_by, by);
  }
});

test("those that are made together are told of in the order in which they were given", async () => {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "greet");
  for (const isOfFunction of [false, true]) {
    const all = Array.from({ length: 40 }, (_, index) => ({
      ...{ id: newId(), namespaceId, functionId: isOfFunction ? functionId : null },
      input: at({ priority: index % 3, ...(isOfFunction && greeting("greet")) }),
    }));
    assert.deepEqual(new Set(await makeAll(all)), new Set(["made"]));
    const ids = all.map(({ id }) => id);
    const { rows } = await store.pool.query<{ task_id: string }>(
      "SELECT task_id FROM events WHERE task_id = ANY($1::uuid[]) ORDER BY id",
      [ids],
    );
    assert.deepEqual(
      rows.map(({ task_id }) => task_id),
      ids,
    );
  }
});

test("who waits for a function that somebody changes keeps nobody else waiting, and takes one connection", async () => {
  const namespaceId = await newNamespace();
  const [held, free] = [
    await deployFunction(db, namespaceId, "held"),
    await deployFunction(db, namespaceId, "free"),
  ];
  const holder = await holdRow(store, "functions", held);
  const make = (functionId: string | null, input = at()) =>
    createTask(store, { namespaceId, functionId, input, now: NOW });
  // Many more than there are connections.
  const waiting = Array.from({ length: 40 }, () => make(held, at(greeting("held"))));
  await untilBlocked(store);
  await Promise.all([make(null), make(free, at(greeting("free")))]);
  await holder.letGo();
  const made = await Promise.all(waiting);
  assert.equal(new Set(made.map(({ run }) => run!.runId)).size, 40);
  assert.equal((await listRuns(store, namespaceId, {}, { limit: 100 })).rows.length, 42);
});

test("who makes one task does not wait behind those who make many", async () => {
  const [heldId, freeId] = [await newNamespace(), await newNamespace()];
  const holder = await holdRow(store, "namespaces", heldId);
  const make = (namespaceId: string, isOfMany: boolean) =>
    createTask(store, { namespaceId, isOfMany, input: at(), now: NOW });
  const many = [make(heldId, true)];
  await untilBlocked(store);
  many.push(make(heldId, true));
  await untilBlocked(store, 2);
  many.push(make(freeId, true));
  assert.ok(longestWaitOfManyMs() > 0);
  assert.equal(store.longestWaitMs(), 0, "who comes with one is not refused for that");
  await make(freeId, false);
  await holder.letGo();
  await Promise.all(many);
  assert.equal(longestWaitOfManyMs(), 0);
  assert.equal((await listRuns(store, freeId, {}, { limit: 100 })).rows.length, 2);
});

test("where a connection is lost, those of its statement are refused and not there; those of another are made", async () => {
  const namespaceId = await newNamespace();
  const holder = await holdRow(store, "namespaces", namespaceId);
  const [lost, kept] = [64, 10].map((count) => Array.from({ length: count }, () => newId())) as [
    string[],
    string[],
  ];
  const make = (ids: string[]) => makeAll(ids.map((id) => ({ namespaceId, id, input: at() })));
  const lostOutcomes = make(lost);
  await untilBlocked(store);
  const { rows } = await store.pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  );
  const keptOutcomes = make(kept);
  await untilBlocked(store, 2);
  await store.pool.query("SELECT pg_terminate_backend(unnest($1::int[]))", [rows.map(({ pid }) => pid)]);
  assert.deepEqual(new Set(await lostOutcomes), new Set(["57P01"]));
  await holder.letGo();
  assert.deepEqual(new Set(await keptOutcomes), new Set(["made"]));
  assert.deepEqual(new Set(await areThere(namespaceId, lost)), new Set([false]));
  assert.deepEqual(new Set(await areThere(namespaceId, kept)), new Set([true]));
});
