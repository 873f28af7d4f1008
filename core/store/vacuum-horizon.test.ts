import { after, before, test } from "node:test";
import pg from "pg";
import { type ReplicatedPostgres, startReplicatedPostgres } from "../../test/support/replicated-postgres.ts";
import { until } from "./testing/test-store.ts";
import { HORIZON_AGES, HORIZON_HOLDERS, type HorizonAges, type HorizonHolder } from "./vacuum-horizon.ts";

const SLOT = "bellhop_test";

let server: ReplicatedPostgres;
let observer: pg.Client;

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

before(async () => {
  server = await startReplicatedPostgres({
    ...{ hot_standby_feedback: "on", wal_receiver_status_interval: "1s", max_prepared_transactions: "5" },
  });
  observer = await connect(server.url);
  await observer.query("CREATE TABLE witness (n int)");
});

after(async () => {
  await observer?.end();
  await server?.stop();
});

async function readAges(): Promise<HorizonAges> {
  const { rows } = await observer.query<{ ages: HorizonAges }>(`SELECT ${HORIZON_AGES} AS ages`);
  return rows[0]!.ages;
}

/** Whoever holds the horizon falls behind by each transaction that writes. */
async function beginTransactions(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await observer.query("INSERT INTO witness VALUES (1)");
}

const listHolders = (ages: HorizonAges, least: number) =>
  HORIZON_HOLDERS.filter((holder) => ages[holder] >= least);

/** Until these alone are behind by so many transactions. */
async function untilHeldBy(holders: HorizonHolder[], least: number): Promise<void> {
  let seen: HorizonAges | undefined;
  await until(async () => {
    seen = await readAges();
    return listHolders(seen, least).join() === holders.join() || undefined;
  }).catch((error) => {
    throw new Error(`It is held otherwise: ${JSON.stringify(seen)}`, { cause: error });
  });
}

test("nobody holds the horizon while nothing is open", async () => {
  await beginTransactions(10);
  await untilHeldBy([], 10);
});

test("a session with a snapshot holds it, and one that has only written", async () => {
  for (const words of [
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    "BEGIN; INSERT INTO witness VALUES (2)",
  ]) {
    const session = await connect(server.url);
    await session.query(words);
    await beginTransactions(10);
    await untilHeldBy(["session"], 10);
    await session.end();
    await untilHeldBy([], 10);
  }
});

test("a prepared transaction holds it without a session, and no standby is to blame", async () => {
  const session = await connect(server.url);
  await session.query("BEGIN; INSERT INTO witness VALUES (3)");
  await session.query("PREPARE TRANSACTION 'forgotten'");
  await session.end();
  await beginTransactions(10);
  await untilHeldBy(["prepared_transaction"], 10);
  await observer.query("ROLLBACK PREPARED 'forgotten'");
  await untilHeldBy([], 10);
});

test("a query on a standby holds it: as its slot where it has one", async () => {
  const query = await connect(server.standbyUrl);
  await query.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  await beginTransactions(10);
  await untilHeldBy(["standby"], 10);
  await server.administer("primary", `SELECT pg_create_physical_replication_slot('${SLOT}')`);
  await server.administer("standby", `ALTER SYSTEM SET primary_slot_name = '${SLOT}'`);
  await server.administer("standby", "SELECT pg_reload_conf()");
  await untilHeldBy(["replication_slot"], 10);
  await query.end();
  await untilHeldBy([], 10);
});
