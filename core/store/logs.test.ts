import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type pg from "pg";
import { createTestDatabase } from "../../test/support/database.ts";
import type { LogLine } from "../contracts/run.ts";
import { newId } from "./ids.ts";
import {
  currentLogPosition,
  isLogPosition,
  type LogPosition,
  listFunctionLogs,
  listRunLogs,
  readFunctionLogsAfter,
} from "./logs.ts";
import { openTestStore, until } from "./testing/test-store.ts";

const { store, db, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

interface Line {
  functionId?: string;
  runId?: string;
}

async function record(
  client: pg.Pool | pg.PoolClient,
  message: string,
  { functionId, runId }: Line,
): Promise<void> {
  await client.query(
    `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
     VALUES (clock_timestamp(), $1, $2, 1, $3, 'info', $4)`,
    [newId(), runId ?? newId(), functionId ?? null, message],
  );
}

const messagesOf = (lines: LogLine[]) => lines.map(({ message }) => message);

/** A transaction that a test ends by hand. */
async function begin(): Promise<pg.PoolClient> {
  const client = await store.pool.connect();
  await client.query("BEGIN");
  return client;
}

async function commit(client: pg.PoolClient): Promise<void> {
  await client.query("COMMIT");
  client.release();
}

/** Follows until so many lines came; other transactions of the server may hold them back for a moment. */
async function follow(functionId: string, from: LogPosition, count: number): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  await until(async () => {
    const last = lines.at(-1);
    const after = last ? { ...from, position: last.position } : from;
    const fresh = await readFunctionLogsAfter(db, functionId, after, 2);
    lines.push(...fresh);
    return lines.length >= count || undefined;
  });
  return lines;
}

test("a run's lines are in the order they were recorded, page by page", async () => {
  const runId = newId();
  for (const message of ["a", "b", "c", "d", "e"]) await record(store.pool, message, { runId });
  await record(store.pool, "another run's", {});
  const first = await listRunLogs(db, runId, 3, undefined);
  assert.deepEqual(messagesOf(first), ["a", "b", "c", "d"], "one more tells of a next page");
  const second = await listRunLogs(db, runId, 3, first[2]!.position);
  assert.deepEqual(messagesOf(second), ["d", "e"]);
  assert.deepEqual(await listRunLogs(db, runId, 3, second[1]!.position), []);
});

test("a function's lines are newest first, page by page, over all its runs", async () => {
  const functionId = newId();
  for (const message of ["a", "b", "c", "d"]) await record(store.pool, message, { functionId });
  await record(store.pool, "another function's", { functionId: newId() });
  const first = await listFunctionLogs(db, functionId, 2, undefined);
  assert.deepEqual(messagesOf(first), ["d", "c", "b"]);
  const second = await listFunctionLogs(db, functionId, 2, first[1]!.position);
  assert.deepEqual(messagesOf(second), ["b", "a"]);
});

test("following brings each line once, in order, in bites", async () => {
  const functionId = newId();
  const from = await currentLogPosition(db);
  for (const message of ["a", "b", "c", "d", "e"]) await record(store.pool, message, { functionId });
  assert.deepEqual(messagesOf(await follow(functionId, from, 5)), ["a", "b", "c", "d", "e"]);
});

test("from now on begins after what is recorded", async () => {
  const functionId = newId();
  await record(store.pool, "before", { functionId });
  await follow(functionId, { position: "0:0" }, 1);
  const from = await currentLogPosition(db);
  await record(store.pool, "after", { functionId });
  assert.deepEqual(messagesOf(await follow(functionId, from, 1)), ["after"]);
});

test("from now on begins after what is recorded, also while an old transaction runs", async () => {
  const functionId = newId();
  const old = await begin();
  await record(old, "old", {});
  await record(store.pool, "before", { functionId });
  const from = await currentLogPosition(db);
  await record(store.pool, "after", { functionId });
  await commit(old);
  assert.deepEqual(messagesOf(await follow(functionId, from, 1)), ["after"]);
});

test("a line that commits later than a younger one is not skipped: the younger one waits for it", async () => {
  const functionId = newId();
  const from = await currentLogPosition(db);
  const slow = await begin();
  await record(slow, "older", { functionId });
  const quick = await begin();
  await record(quick, "younger", { functionId });
  await commit(quick);
  assert.deepEqual(
    messagesOf(await listFunctionLogs(db, functionId, 10, undefined)),
    ["younger"],
    "it is there",
  );
  assert.deepEqual(await readFunctionLogsAfter(db, functionId, from, 10), [], "but not complete");
  await commit(slow);
  assert.deepEqual(messagesOf(await follow(functionId, from, 2)), ["older", "younger"]);
});

test("lines of one transaction that was overtaken in the middle stay together", async () => {
  const functionId = newId();
  const from = await currentLogPosition(db);
  const slow = await begin();
  await record(slow, "s1", { functionId });
  await record(store.pool, "q1", { functionId });
  await record(slow, "s2", { functionId });
  await record(store.pool, "q2", { functionId });
  await commit(slow);
  assert.deepEqual(messagesOf(await follow(functionId, from, 4)), ["s1", "s2", "q1", "q2"]);
});

test("a line that was never committed is never read, and holds nothing back for long", async () => {
  const functionId = newId();
  const from = await currentLogPosition(db);
  const failing = await begin();
  await record(failing, "rolled back", { functionId });
  await record(store.pool, "kept", { functionId });
  await failing.query("ROLLBACK");
  failing.release();
  assert.deepEqual(messagesOf(await follow(functionId, from, 1)), ["kept"]);
});

test("a position is two numbers and nothing else", async () => {
  assert.ok(isLogPosition((await currentLogPosition(db)).position));
  for (const text of [
    "",
    "1",
    "1:",
    ":1",
    "1:2:3",
    "a:1",
    "1;DROP",
    "-1:0",
    "1:2\n",
    `${"9".repeat(21)}:0`,
  ]) {
    assert.ok(!isLogPosition(text), text);
  }
});

test("the greatest position can be asked for, one beyond what the database counts is none", async () => {
  const greatest = "18446744073709551615:9223372036854775807";
  assert.ok(isLogPosition(greatest));
  assert.deepEqual(await readFunctionLogsAfter(db, newId(), { position: greatest }, 1), []);
  assert.deepEqual(await listFunctionLogs(db, newId(), 1, greatest), []);
  assert.deepEqual(await listRunLogs(db, newId(), 1, greatest), []);
  assert.ok(!isLogPosition("18446744073709551616:0"));
  assert.ok(!isLogPosition("0:9223372036854775808"));
});
