/** The store through a real PgBouncer in each of its modes. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { createEmptyDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type PgBouncerOptions, startPgBouncer, testPgBouncer } from "../../test/support/pgbouncer.ts";
import { systemClock } from "../clock.ts";
import { openStore, type Store } from "./database.ts";
import type { Bell } from "./listen.ts";
import { isMigrated, migrateUp } from "./migrate.ts";
import { dropExpiredPartitions, ensurePartitions } from "./partitions.ts";
import { openBells } from "./poll-bells.ts";
import { openSessionLock } from "./session-lock.ts";
import { until } from "./testing/test-store.ts";

const found = await testPgBouncer();
const skip = "skip" in found ? found.skip : false;
const DAY_MS = 86_400_000;

const opened: Store[] = [];
after(() => Promise.all(opened.map((store) => store.close())));

function open(databaseUrl: string, directUrl?: string): Store {
  const store = openStore({
    ...{ databaseUrl, directUrl, applicationName: "bellhop-test", maxConnections: 4 },
    onError: () => {},
  });
  opened.push(store);
  return store;
}

async function openThrough(mode: PgBouncerOptions["mode"], options: Partial<PgBouncerOptions> = {}) {
  if ("skip" in found) throw new Error(found.skip);
  const database = await createEmptyDatabase();
  const bouncer = await startPgBouncer(found.tool, { databaseUrl: database.url, mode, ...options });
  return { bouncer, store: open(bouncer.url), direct: open(database.url), directUrl: database.url };
}

const show = async (store: Store, name: string): Promise<string> =>
  (await store.pool.query(`SELECT current_setting('${name}') AS value`)).rows[0].value;

test("without a pooler one connection is made, and its session has its settings from the start", async () => {
  const database = await createEmptyDatabase();
  const store = open(database.url);
  assert.equal(await show(store, "plan_cache_mode"), "force_custom_plan");
  assert.deepEqual(await store.findPooling(), { mode: "none", carriesNames: true, missingSettings: [] });
  assert.equal(store.pool.totalCount, 1);
  assert.equal((await store.findSessions())?.pool, store.pool);
});

describe("through PgBouncer in session mode", { skip }, () => {
  test("everything is as without it: settings, names, bells, locks", async () => {
    const { store } = await openThrough("session", { poolSize: 10 });
    assert.equal((await store.findPooling()).mode, "session");
    assert.equal(await show(store, "plan_cache_mode"), "force_custom_plan");
    assert.equal(await show(store, "statement_timeout"), "1min");
    const planned = await store.plannedPool.query("SHOW plan_cache_mode");
    assert.equal(planned.rows[0].plan_cache_mode, "force_generic_plan");
    const bells: Bell[] = [];
    const listener = await openBells(store, systemClock, assert.ifError);
    await listener.on("bellhop_cancel", (bell) => bells.push(bell));
    await store.pool.query("SELECT pg_notify('bellhop_cancel', 'a')");
    await until(async () => bells[0]);
    assert.deepEqual(bells, [{ ids: ["a"], resync: false }]);
    await listener.close();
    const [one, other] = [
      await openSessionLock(store, 1, systemClock),
      await openSessionLock(store, 1, systemClock),
    ];
    assert.deepEqual([await one.tryTake(), await other.tryTake()], [true, false]);
    await Promise.all([one.close(), other.close()]);
  });
});

describe("through PgBouncer in statement mode", { skip }, () => {
  test("a role does not start, and is told why", async () => {
    const { store } = await openThrough("statement");
    await assert.rejects(migrateUp(store), {
      code: "database_unusable",
      message: /statement mode.*set its pool_mode to transaction or session/,
    });
  });
});

describe("through PgBouncer in transaction mode", { skip }, () => {
  test("roles that start at once migrate once, and leave no lock behind", async () => {
    const { bouncer, store, direct } = await openThrough("transaction", { poolSize: 3 });
    const others = [open(bouncer.url), open(bouncer.url), open(bouncer.url)];
    const done = await Promise.all([store, ...others].map((each) => migrateUp(each)));
    assert.equal(new Set(done.flat()).size, done.flat().length, "each migration is made once");
    assert.ok(await isMigrated(store.db));
    const { rows } = await direct.pool.query(
      "SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert.equal(rows[0].count, 0);
  });

  test("it is found where it refuses what a connection asks for, and where it ignores it", async () => {
    const ignore = { ignore_startup_parameters: "options" };
    for (const settings of [{}, ignore]) {
      const { store } = await openThrough("transaction", { settings });
      assert.equal((await store.findPooling()).mode, "transaction");
    }
  });

  test("it is found where sessions are handed out in turns, and where there is one", async () => {
    for (const options of [{ settings: { server_round_robin: 1 } }, { poolSize: 1 }]) {
      const { bouncer, store } = await openThrough("transaction", options);
      const others = Array.from({ length: 4 }, () => open(bouncer.url));
      await Promise.all(others.map(({ pool }) => pool.query("SELECT pg_sleep(0.01)")));
      assert.equal((await store.findPooling()).mode, "transaction");
    }
  });

  test("statements with names run in whichever session they meet", async () => {
    const { store } = await openThrough("transaction", { poolSize: 3 });
    const ask = async (n: number) => {
      const query = { name: `plus-${n % 3}`, text: `SELECT $1::int + ${n % 3} AS sum`, values: [n] };
      const { rows } = await (n % 2 === 0 ? store.pool : store.plannedPool).query(query);
      return rows[0].sum === n + (n % 3);
    };
    const sums = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n)));
    assert.ok(sums.every(Boolean));
  });

  test("a transaction has the settings, and takes them with it", async () => {
    const { store } = await openThrough("transaction", { poolSize: 1 });
    const client = await store.pool.connect();
    await client.query("BEGIN");
    const inside = await client.query(
      "SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('statement_timeout') AS statement, current_setting('enable_seqscan') AS seqscan, current_setting('plan_cache_mode') AS plans",
    );
    assert.deepEqual(inside.rows, [
      { idle: "5s", statement: "1min", seqscan: "off", plans: "force_custom_plan" },
    ]);
    await client.query("COMMIT");
    client.release();
    assert.equal(await show(store, "enable_seqscan"), "on");
    assert.equal(await show(store, "idle_in_transaction_session_timeout"), "0");
  });

  test("what its sessions lack is named, and nothing where the operator has given it", async () => {
    const { bouncer, store, direct } = await openThrough("transaction");
    const { rows } = await direct.pool.query("SELECT current_user AS role, current_database() AS name");
    const [{ role, name }] = rows;
    // A server that was built without it has it off.
    await direct.pool.query(`ALTER DATABASE ${name} SET jit = on`);
    const { missingSettings } = await store.findPooling();
    assert.deepEqual(missingSettings.toSorted(), [
      ...["enable_seqscan", "idle_in_transaction_session_timeout", "jit", "plan_cache_mode"],
      "statement_timeout",
    ]);
    for (const setting of [
      ...["jit = off", "plan_cache_mode = force_custom_plan", "enable_seqscan = off"],
      ...["idle_in_transaction_session_timeout = '5s'", "statement_timeout = '60s'"],
    ])
      await direct.pool.query(`ALTER ROLE ${role} IN DATABASE ${name} SET ${setting}`);
    await bouncer.kill();
    await bouncer.start();
    assert.deepEqual((await open(bouncer.url).findPooling()).missingSettings, []);
  });

  test("times are told in UTC, whatever the zone of the database", async () => {
    const { bouncer, direct } = await openThrough("transaction", { poolSize: 2 });
    const { rows } = await direct.pool.query("SELECT current_database() AS name");
    await direct.pool.query(`ALTER DATABASE ${rows[0].name} SET timezone TO 'Asia/Tokyo'`);
    const store = open(bouncer.url);
    const zones = await Promise.all(Array.from({ length: 20 }, () => show(store, "timezone")));
    assert.deepEqual([...new Set(zones)], ["UTC"]);
  });

  test("bells are polled, or heard where there is a direct connection", async () => {
    const { bouncer, store, direct, directUrl } = await openThrough("transaction");
    const polled: Bell[] = [];
    const poller = await openBells(store, systemClock, assert.ifError);
    assert.ok(poller.isListening());
    await poller.on("bellhop_runs", (bell) => polled.push(bell));
    await until(async () => (polled.length > 1 ? true : undefined));
    assert.deepEqual(polled[0], { ids: [], resync: true });
    await poller.close();
    assert.ok(!poller.isListening());
    const heard: Bell[] = [];
    const listener = await openBells(open(bouncer.url, directUrl), systemClock, assert.ifError);
    await listener.on("bellhop_cancel", (bell) => heard.push(bell));
    await store.pool.query("SELECT pg_notify('bellhop_cancel', 'a,b')");
    await until(async () => heard[0]);
    assert.deepEqual(heard, [{ ids: ["a", "b"], resync: false }]);
    await listener.close();
    await until(async () => {
      const { rows } = await direct.pool.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'bellhop-listen' AND datname = current_database() AND query LIKE 'LISTEN%'",
      );
      return rows.length === 0 ? true : undefined;
    });
  });

  test("a direct connection that leads to a pooler as well is refused", async () => {
    const { bouncer } = await openThrough("transaction");
    const store = open(bouncer.url, bouncer.url);
    await assert.rejects(
      openBells(store, systemClock, assert.ifError),
      /DATABASE_DIRECT_URL leads to a pooler/,
    );
  });

  test("a lock is held by one at a time, shows signs of life, and is free when its connection breaks", async () => {
    const { bouncer, store, direct } = await openThrough("transaction", { poolSize: 3 });
    const clock = createManualClock();
    const one = await openSessionLock(store, 7, clock);
    const other = await openSessionLock(open(bouncer.url), 7, clock);
    assert.deepEqual([await one.tryTake(), await one.tryTake(), await other.tryTake()], [true, true, false]);
    const lastSign = async () => {
      const { rows } = await direct.pool.query<{ at: Date; state: string }>(
        "SELECT state_change AS at, state FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()",
      );
      return rows.length === 1 ? rows[0]!.at.getTime() : undefined;
    };
    const before = await until(lastSign);
    await until(async () => {
      await clock.advance(1_000);
      return (await until(lastSign)) > before ? true : undefined;
    });
    await one.release();
    assert.deepEqual([one.isHeld(), await other.tryTake()], [false, true]);
    await bouncer.kill();
    await until(async () => (other.isHeld() ? undefined : true));
    await bouncer.start();
    await until(async () => ((await one.tryTake().catch(() => false)) ? true : undefined));
    await Promise.all([one.close(), other.close()]);
  });

  for (const way of ["without", "with"] as const)
    test(`days past the retention are dropped ${way} a direct connection, one caller at a time`, async () => {
      const { bouncer, directUrl } = await openThrough("transaction", { poolSize: 3 });
      const store = open(bouncer.url, way === "with" ? directUrl : undefined);
      await migrateUp(store);
      const now = new Date("2024-05-20T15:00:00.000Z");
      await ensurePartitions(store.db, new Date(now.getTime() - 15 * DAY_MS));
      const passes = await Promise.all(
        Array.from({ length: 3 }, () => dropExpiredPartitions(store, now, 15)),
      );
      const dropped = passes.flat();
      assert.deepEqual(dropped.toSorted(), ["task_logs_20240504", "task_runs_20240504"]);
      await dropExpiredPartitions(store, now, 15);
      const { rows } = await store.pool.query("SELECT to_regclass('task_runs_20240504') AS left");
      assert.equal(rows[0].left, null);
    });
});

const version = "skip" in found ? 0 : found.tool.version;
const carries = skip || (version < 1.21 && `PgBouncer ${version} carries no names`);
describe("through PgBouncer in transaction mode that carries prepared statements", { skip: carries }, () => {
  test("names are kept where no plan is kept with them", async () => {
    const settings = { max_prepared_statements: 100 };
    const { bouncer, store, direct } = await openThrough("transaction", { poolSize: 2, settings });
    const countPrepared = async (asked: Store) => {
      const query = { name: "ours", text: "SELECT count(*)::int AS count FROM pg_prepared_statements" };
      return (await asked.pool.query(query)).rows[0].count as number;
    };
    assert.equal((await store.findPooling()).carriesNames, true);
    const unnamed = await countPrepared(store);
    const { rows } = await direct.pool.query("SELECT current_user AS role, current_database() AS name");
    await direct.pool.query(
      `ALTER ROLE ${rows[0].role} IN DATABASE ${rows[0].name} SET plan_cache_mode = force_custom_plan`,
    );
    await bouncer.kill();
    await bouncer.start();
    const again = open(bouncer.url);
    assert.equal(await countPrepared(again), unnamed + 1);
  });
});
