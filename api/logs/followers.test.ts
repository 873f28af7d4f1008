/** Many followers of one log: what each of them gets, however slow it is and wherever it begins. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { systemClock } from "../../core/clock.ts";
import { newId } from "../../core/store/ids.ts";
import {
  currentLogPosition,
  FIRST_LOG_POSITION,
  type LogFilter,
  lowerText,
  readFunctionLogsAfter,
} from "../../core/store/logs.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { STREAM_OWNER, UNCOUNTED_STREAMS } from "../testing/uncounted-streams.ts";
import { createFollowerPlaces } from "./follower-places.ts";
import { createLogFollowers } from "./followers.ts";

const { store, db } = await openTestStore(createTestDatabase);
const log = createLogger("api", "silent");

const WRITERS = 6;
const TRANSACTIONS = 30;
const LINES_OF_TRANSACTION = 40;
/** Passes every filter. */
const LAST = 'the last line, "Número": 3 ÄHRE äHrE writer 2';
const LEVELS = ["debug", "info", "warn", "error"];

const functionId = newId();
const runIds = Array.from({ length: 3 }, newId);
const revisionIds = [newId(), newId()];

async function write(client: pg.Pool | pg.PoolClient, number: number, message: string): Promise<void> {
  await client.query(
    `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
     VALUES (clock_timestamp(), $1, $2, 1, $1, $3, $4, $5, $6)`,
    [
      ...[functionId, runIds[number % runIds.length], revisionIds[number % revisionIds.length]],
      ...[LEVELS[number % LEVELS.length], message, { Número: number, text: number % 7 === 0 ? "ÄHRE" : "x" }],
    ],
  );
}

/** Transactions of several connections at a time, some of which end long after others that began later. */
async function writeAll(onWritten: () => void): Promise<void> {
  const held = await store.pool.connect();
  await held.query("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0");
  await write(held, 1, "held back");
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const client = await store.pool.connect();
      for (let transaction = 0; transaction < TRANSACTIONS; transaction += 1) {
        await client.query("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0");
        for (let line = 0; line < LINES_OF_TRANSACTION; line += 1)
          await write(client, writer * transaction + line, `writer ${writer}: ${transaction}/${line}`);
        await client.query("COMMIT");
        onWritten();
        if (writer === 0 && transaction === TRANSACTIONS / 2) await held.query("COMMIT");
      }
      client.release();
    }),
  );
  held.release();
  await store.pool.query(
    `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message)
     VALUES (clock_timestamp(), $1, $2, 1, $1, $3, 'error', $4)`,
    [functionId, runIds[0], revisionIds[1], LAST],
  );
}

const FILTERS: LogFilter[] = [
  {},
  { level: "warn" },
  { text: 'número": 3' },
  { text: "äHrE" },
  { text: "WRITER 2" },
  { runId: runIds[0] },
  { revisionId: revisionIds[1], level: "error" },
];

const PACES = ["fast", "stalls", "slow"] as const;
const STARTS = ["now", "half", "first"] as const;
type Pace = (typeof PACES)[number];

test("each follower gets each of its lines once and in order: all filters, slow readers, older positions", async (t) => {
  const stop = new AbortController();
  const followers = createLogFollowers({ db, clock: systemClock, log, streams: UNCOUNTED_STREAMS });
  t.after(async () => {
    stop.abort();
    await followers.close();
  });
  const allWritten = Promise.withResolvers<void>();
  const halfWritten = Promise.withResolvers<void>();

  async function readAll(stream: ReadableStream<Uint8Array>, pace: Pace): Promise<string[]> {
    const seen: string[] = [];
    let text = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (text + part).split("\n");
      text = lines.pop()!;
      for (const line of lines.filter((each) => each !== "")) {
        const { id, message } = JSON.parse(line) as { id: string; message: string };
        seen.push(id);
        if (message === LAST) return seen;
      }
      if (pace === "stalls") await allWritten.promise;
      if (pace === "slow") await new Promise(setImmediate);
    }
    assert.fail(`the stream ended after ${seen.length} lines`);
  }

  async function follow(filter: LogFilter, pace: Pace, start: "now" | "half" | "first") {
    if (start === "half") await halfWritten.promise;
    const after = start === "first" ? { position: FIRST_LOG_POSITION } : await currentLogPosition(db);
    const stream = await followers.follow(STREAM_OWNER, async () => ({
      ...{ functionId, keyId: "key", after, filter, format: "ndjson" as const, signal: stop.signal },
      searchText: filter.text === undefined ? undefined : await lowerText(db, filter.text),
      watchKey: () => () => {},
    }));
    const seen = await readAll(stream, pace);
    const wanted = await readFunctionLogsAfter(db, functionId, after, 1_000_000, filter);
    assert.ok(wanted.length > 1);
    const name = `${JSON.stringify(filter)}, ${pace}, from ${start}`;
    const ids = wanted.map(({ position }) => position);
    const at = seen.findIndex((id, index) => id !== ids[index]);
    const [is, should] = [seen.slice(at - 2, at + 4), ids.slice(at - 2, at + 4)];
    assert.ok(
      at < 0 && seen.length === ids.length,
      `${name}: ${is} instead of ${should} (${seen.length}, ${ids.length})`,
    );
  }

  const following = FILTERS.flatMap((filter) =>
    PACES.flatMap((pace) => STARTS.map((start) => follow(filter, pace, start))),
  );
  let transactions = 0;
  await writeAll(() => {
    transactions += 1;
    if (transactions === (WRITERS * TRANSACTIONS) / 2) halfWritten.resolve();
  });
  allWritten.resolve();
  await Promise.all(following);
  assert.equal(followers.count, 0);
});

test("a key has so many places, and so has the process; whoever leaves makes room", () => {
  const places = createFollowerPlaces(2, 3);
  const leave = places.take("a");
  places.take("a");
  assert.throws(() => places.take("a"), { code: "too_many_followers", status: 429 });
  places.take("b");
  assert.throws(() => places.take("b"), { code: "too_many_followers", status: 429 });
  leave();
  leave();
  assert.equal(places.taken, 2);
  places.take("a");
  assert.throws(() => places.take("c"), { status: 429 });
});
