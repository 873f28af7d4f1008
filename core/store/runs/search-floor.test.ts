import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { openStore, type Store } from "../database.ts";
import { makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore, until, untilBlocked } from "../testing/test-store.ts";
import { claimDueRuns } from "./claim.ts";
import { findFloor, noteFloor, noteFullSearch, noteShortSearch, restAfterLook } from "./search-floor.ts";

const { store, db, url, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const HOUR_MS = 3_600_000;
const FOREVER = Number.POSITIVE_INFINITY;
const NEVER_RAISED = { raiseAtMs: FOREVER, wasSlow: true };
/** As many as slow searches down. */
const DEAD_ROWS = 20_000;

/** A store of its own, as far as floors are concerned. */
const separate = (): Store => ({ ...store, pool: Object.create(store.pool) as Store["pool"] });

const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

async function queueAt(namespaceId: string, instant: string): Promise<string> {
  const id = await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET available_at = ${instant}::timestamptz WHERE id = ${id}`.execute(db);
  return id;
}

test("a search from a floor leaves what is older, in shares and without, and a full one finds it", async () => {
  const workerId = await makeWorker(db);
  for (const limit of [10, 2]) {
    const [first, second] = [await newNamespace(), await newNamespace()];
    const old = await queueAt(first, ago(2 * HOUR_MS));
    const young = [
      ...[await queueAt(first, ago(1_000)), await queueAt(first, ago(900))],
      await queueAt(second, ago(1_000)),
    ];
    const crowded = separate();
    noteFloor(crowded, { instant: ago(HOUR_MS), untilMs: FOREVER, shortUntilMs: FOREVER, ...NEVER_RAISED });
    const taken: string[] = [];
    for (let claims = 0; claims < 3; claims += 1)
      taken.push(...(await claimDueRuns(crowded, workerId, limit, 0)).runs.map(({ id }) => id));
    assert.deepEqual(taken.sort(), young.sort());
    assert.deepEqual(
      (await claimDueRuns(separate(), workerId, limit, 0)).runs.map(({ id }) => id),
      [old],
    );
  }
});

/** A store whose looks are answered so, and what they asked. */
function answering(answers: { instant: string; tookMs: number }[][]) {
  const values: unknown[][] = [];
  const query = async (asked: { values: unknown[] }) => ({ rows: answers[values.push(asked.values) - 1] });
  const crowded = { pool: Object.assign(Object.create(store.pool) as pg.Pool, { query }) as Store["pool"] };
  return { crowded, values, at: (nowMs: number) => findFloor(crowded, 0, () => nowMs) };
}

test("a store that met a crowd looks for its floor, and again after its rest", async () => {
  const { crowded, values, at } = answering([
    ...[[{ instant: "2026-01-01", tookMs: 5 }], [{ instant: "2026-01-01", tookMs: 5 }]],
    ...[[{ instant: "2026-01-02", tookMs: 10_000 }], [{ instant: "2026-01-03", tookMs: 10_000 }], []],
  ]);
  assert.equal(await at(0), undefined, "it has met none");
  noteFullSearch(crowded, false);
  assert.equal(await at(0), undefined, "dead rows are few");
  noteFullSearch(crowded, true);
  assert.equal(await at(1_000), undefined, "one slow look is no evidence");
  noteFullSearch(crowded, true);
  assert.deepEqual([await at(1_000), await at(1_199)], ["2026-01-01", "2026-01-01"]);
  assert.equal(values.length, 2);
  assert.equal(await at(1_500), "2026-01-02");
  noteFloor(crowded, { instant: "2026-01-02", untilMs: 4_500, shortUntilMs: 2_000, ...NEVER_RAISED });
  noteShortSearch(crowded);
  assert.equal(await at(1_999), "2026-01-02");
  assert.equal(await at(2_000), "2026-01-03", "slots are free");
  assert.equal(await at(10_000), undefined, "vacuum has been there");
  assert.deepEqual([await at(10_001), values.length], [undefined, 5]);
});

test("where the floor is found quickly searches are full, and it is looked for each second", async () => {
  const { crowded, values, at } = answering([
    ...[[{ instant: "2026-01-01", tookMs: 1 }], [{ instant: "2026-01-02", tookMs: 1.1 }]],
    ...[[{ instant: "2026-01-03", tookMs: 1 }], []],
  ]);
  noteFullSearch(crowded, true);
  assert.equal(await at(0), undefined);
  noteFullSearch(crowded, true);
  noteShortSearch(crowded);
  assert.deepEqual([await at(999), values.length], [undefined, 1]);
  assert.deepEqual([await at(1_000), await at(1_001), await at(2_000)], [undefined, undefined, undefined]);
  assert.equal(values.length, 3, "a slow look is followed by another at once, a quick one is not");
});

const turn = () => new Promise(setImmediate);

test("a floor is raised five times a second, beside a search that begins at the last one, and no rest is longer for that", async () => {
  const { crowded, values, at } = answering([
    [{ instant: "2026-01-01", tookMs: 20 }],
    [{ instant: "2026-01-01", tookMs: 20 }],
    ...[[{ instant: "2026-01-02", tookMs: 0.1 }], [{ instant: "2026-01-03", tookMs: 20 }], []],
  ]);
  noteFullSearch(crowded, true);
  assert.deepEqual([await at(0), await at(0)], [undefined, "2026-01-01"]);
  assert.equal(await at(199), "2026-01-01");
  assert.equal(await at(200), "2026-01-01");
  await turn();
  assert.deepEqual([await at(201), await at(399)], ["2026-01-02", "2026-01-02"]);
  assert.equal(await at(2_000), "2026-01-03", "from the beginning");
  assert.deepEqual(values, [[500], [500], [500, "2026-01-01"], [500]]);
  assert.equal(await at(2_200), "2026-01-03");
  await turn();
  assert.equal(await at(2_201), undefined, "vacuum has been there");
});

/** A store with a floor whose looks are answered by the test. */
function holdingLooks() {
  const looks: PromiseWithResolvers<{ rows: { instant: string; tookMs: number }[] }>[] = [];
  const query = () => {
    const look = Promise.withResolvers<{ rows: { instant: string; tookMs: number }[] }>();
    looks.push(look);
    return look.promise;
  };
  const crowded = { pool: Object.assign(Object.create(store.pool) as pg.Pool, { query }) as Store["pool"] };
  const floor = { instant: "2026-01-01", untilMs: 3_000, shortUntilMs: 1_000, raiseAtMs: 0, wasSlow: true };
  noteFloor(crowded, floor);
  return { crowded, looks, at: (nowMs: number) => findFloor(crowded, 0, () => nowMs) };
}

test("one look at a time raises a floor, and one that fails changes nothing until the next", async () => {
  const { looks, at } = holdingLooks();
  assert.deepEqual([await at(0), await at(200), await at(400)], ["2026-01-01", "2026-01-01", "2026-01-01"]);
  assert.equal(looks.length, 1);
  looks[0]!.reject(new Error("connection refused"));
  await turn();
  assert.deepEqual([await at(199), looks.length], ["2026-01-01", 1], "a fifth of a second later");
  assert.deepEqual([await at(200), looks.length], ["2026-01-01", 2]);
  looks[1]!.resolve({ rows: [{ instant: "2026-01-02", tookMs: 1 }] });
  await turn();
  assert.equal(await at(399), "2026-01-02");
});

test("a floor that was looked for meanwhile is not raised by what is known of the one before", async () => {
  for (const late of [[{ instant: "2026-01-02", tookMs: 1 }], []]) {
    const { crowded, looks, at } = holdingLooks();
    assert.equal(await at(0), "2026-01-01");
    noteShortSearch(crowded);
    const lookedFor = at(1_000);
    looks[1]!.resolve({ rows: [{ instant: "2026-01-01", tookMs: 20 }] });
    assert.equal(await lookedFor, "2026-01-01");
    looks[0]!.resolve({ rows: late });
    await turn();
    assert.deepEqual([await at(1_001), looks.length], ["2026-01-01", 2]);
  }
});

test("a search that found too little has its floor looked for as soon while that is raised", async () => {
  const { crowded, looks, at } = holdingLooks();
  assert.equal(await at(0), "2026-01-01");
  noteShortSearch(crowded);
  looks[0]!.resolve({ rows: [{ instant: "2026-01-02", tookMs: 1 }] });
  await turn();
  assert.equal(await at(199), "2026-01-02");
  const lookedFor = at(1_000);
  looks[1]!.resolve({ rows: [] });
  assert.equal(await lookedFor, undefined);
});

test("a store that is closed waits for the look that raises its floor", async () => {
  const closing = openStore({
    ...{ databaseUrl: url, applicationName: "bellhop-test", maxConnections: 1, onError: () => {} },
  });
  let isClosed = false;
  const holder = await store.pool.connect();
  try {
    await holder.query("BEGIN");
    await holder.query("SET LOCAL idle_in_transaction_session_timeout = 0");
    await holder.query("LOCK TABLE task_runs_open");
    const floor = ago(HOUR_MS);
    noteFloor(closing, {
      instant: floor,
      untilMs: FOREVER,
      shortUntilMs: FOREVER,
      raiseAtMs: 0,
      wasSlow: true,
    });
    assert.equal(await findFloor(closing, 0, () => 0), floor);
    await untilBlocked(store);
    const closed = closing.close().then(() => {
      isClosed = true;
    });
    await sql`SELECT 1`.execute(db);
    assert.equal(isClosed, false);
    await holder.query("COMMIT");
    await closed;
  } finally {
    holder.release(true);
  }
});

test("a search from a floor that finds too little has the store look for an earlier one soon", async () => {
  const workerId = await makeWorker(db);
  const namespaceId = await newNamespace();
  await queueAt(namespaceId, ago(2 * HOUR_MS));
  const crowded = separate();
  noteFloor(crowded, { instant: ago(HOUR_MS), untilMs: FOREVER, shortUntilMs: 0, ...NEVER_RAISED });
  assert.equal((await claimDueRuns(crowded, workerId, 1, 0)).found, 0);
  assert.equal((await claimDueRuns(crowded, workerId, 1, 0)).found, 1, "few rows are dead: it is full again");
});

test("looks for the floor take a small part of the time, and what is older waits three seconds at most", () => {
  assert.equal(restAfterLook(20), 2_000);
  assert.equal(restAfterLook(10_000), 3_000);
});

test("where dead rows are many the floor is the oldest run that may be claimed, or a moment ago; it is raised likewise", async () => {
  const namespaceId = await newNamespace();
  const queries: { instant: string; tookMs: number }[][] = [];
  const pool = Object.create(store.pool) as Store["pool"];
  const query = async (config: pg.QueryConfig) => {
    const answer = await store.pool.query<{ instant: string; tookMs: number }>(config);
    queries.push(answer.rows);
    return answer;
  };
  const watched = { pool: Object.assign(pool, { query }) as Store["pool"] };
  const look = async () => {
    noteFloor(watched, { instant: undefined, untilMs: -FOREVER, shortUntilMs: -FOREVER, ...NEVER_RAISED });
    await findFloor(watched, 0, () => 0);
    return queries.pop()!;
  };
  assert.deepEqual(await look(), [], "there are few");
  await sql`INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at,
      queued_at, timeout_ms)
    SELECT gen_random_uuid(), ${namespaceId}, gen_random_uuid(), 'http', 'manual', 'queued', now(), now(), now(), 1
    FROM generate_series(1, ${DEAD_ROWS}::int)`.execute(db);
  await sql`DELETE FROM task_runs_open`.execute(db);
  const [none] = await until(async () => {
    // A session reports what it did when it has been idle for a while, or is asked to.
    await sql`SELECT pg_stat_force_next_flush()`.execute(db);
    const rows = await look();
    return rows.length > 0 ? rows : undefined;
  });
  const moment = Date.now() - new Date(none!.instant).getTime();
  assert.ok(moment >= 0 && moment < HOUR_MS, `${moment} ms`);
  assert.ok(none!.tookMs > 0);
  const instant = ago(2 * HOUR_MS);
  await queueAt(namespaceId, instant);
  const [oldest] = await look();
  assert.equal(new Date(oldest!.instant).toISOString(), instant);
  const [above, younger] = [ago(HOUR_MS), ago(HOUR_MS / 2)];
  for (const each of [younger, above]) await queueAt(namespaceId, each);
  noteFloor(watched, {
    instant: ago(1.5 * HOUR_MS),
    untilMs: FOREVER,
    shortUntilMs: FOREVER,
    raiseAtMs: 0,
    wasSlow: true,
  });
  queries.length = 0;
  await findFloor(watched, 0, () => 0);
  const [raised] = await until(async () => queries.pop());
  assert.equal(new Date(raised!.instant).toISOString(), above, "the oldest from the last floor on");
});
