/** Each shape of a lost database, made by a real server, a real client or a real socket. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import { createTestDatabase } from "../../test/support/database.ts";
import { openStore } from "./database.ts";
import { isDatabaseAway, isDatabaseRefusing } from "./database-away.ts";
import { inTransaction } from "./transaction.ts";

const database = await createTestDatabase();

function open(t: TestContext, maxConnections = 4) {
  const store = openStore({
    ...{ databaseUrl: database.url, applicationName: "bellhop-test", maxConnections },
    onError: () => {},
  });
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= store.close());
  t.after(close);
  return { ...store, close };
}

async function openClient(t: TestContext, config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, ...config });
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return client;
}

async function thrownBy(work: () => Promise<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

async function assertAway(work: () => Promise<unknown>, said: RegExp): Promise<void> {
  const error = await thrownBy(work);
  assert.match(`${(error as { code?: string }).code ?? ""} ${error.message}`, said);
  assert.ok(isDatabaseAway(error), String(error));
  assert.ok(!isDatabaseRefusing(error), String(error));
}

async function endBackend(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const ended = new Promise((resolve) => client.once("end", resolve));
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  await other.query("SELECT pg_terminate_backend($1)", [rows[0]!.pid]);
  await other.end();
  await ended;
}

test("a connection that dies in a transaction, by the pool, by Kysely, and the statement after it", async (t) => {
  const { pool, db } = open(t);
  await assertAway(
    () =>
      inTransaction(pool, ({ pool: client }) =>
        client.query("SELECT pg_terminate_backend(pg_backend_pid())"),
      ),
    /57P01/,
  );
  await assertAway(
    () =>
      inTransaction(pool, async ({ pool: client }) => {
        await endBackend(client);
        await client.query("SELECT 1");
      }),
    /Client has encountered a connection error and is not queryable/,
  );
  await assertAway(
    () => db.transaction().execute((tx) => sql`SELECT pg_terminate_backend(pg_backend_pid())`.execute(tx)),
    /57P01|not queryable|Connection terminated/,
  );
});

test("a client and a pool that were closed", async (t) => {
  const client = await openClient(t);
  await client.end();
  await assertAway(() => client.query("SELECT 1"), /Client was closed and is not queryable/);
  const { pool, db, close } = open(t);
  await sql`SELECT 1`.execute(db);
  await close();
  await assertAway(() => pool.query("SELECT 1"), /after calling end on the pool/);
});

test("a pool without a free connection", async () => {
  const pool = new pg.Pool({ connectionString: database.url, max: 1, connectionTimeoutMillis: 10_000 });
  const { release } = await pool.connect();
  pool.options.connectionTimeoutMillis = 20;
  await assertAway(() => pool.connect(), /timeout exceeded when trying to connect/);
  release();
  await pool.end();
});

test("statements that take too long, by our clock and by the server's, or that somebody cancels", async (t) => {
  const impatient = await openClient(t, { query_timeout: 20 });
  await assertAway(() => impatient.query("SELECT pg_sleep(1)"), /Query read timeout/);
  const bounded = await openClient(t, { statement_timeout: 20 });
  await assertAway(() => bounded.query("SELECT pg_sleep(10)"), /57014/);
});

test("a transaction that was idle for too long", async (t) => {
  const client = await openClient(t);
  await client.query("SET idle_in_transaction_session_timeout = 1");
  const [error] = await Promise.all([once(client, "error").then(([given]) => given), client.query("BEGIN")]);
  await assertAway(() => Promise.reject(error), /25P03/);
});

test("a server that takes no writes, and one that is full", async (t) => {
  const standby = await openClient(t, { options: "-c default_transaction_read_only=on" });
  await assertAway(() => standby.query("CREATE TABLE errands ()"), /25006/);
  const client = await openClient(t);
  const url = new URL(database.url);
  await client.query(`ALTER DATABASE ${url.pathname.slice(1)} CONNECTION LIMIT 1`);
  await assertAway(() => openClient(t), /53300/);
  await client.query(`ALTER DATABASE ${url.pathname.slice(1)} CONNECTION LIMIT -1`);
});

/** A server on loopback that does with each connection what it is told. */
async function startServer(t: TestContext, act: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    act(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  t.after(() => server.listening && close());
  return { at: { host: "127.0.0.1", port, user: "x", password: "x", database: "x" }, close };
}

const connect = (config: pg.ClientConfig) => () => new pg.Client(config).connect();

test("a server that does not answer, or breaks off, or is not there", async (t) => {
  const silent = await startServer(t, () => {});
  await assertAway(connect({ ...silent.at, connectionTimeoutMillis: 20 }), /timeout expired/);
  const pool = new pg.Pool({ ...silent.at, connectionTimeoutMillis: 20 });
  await assertAway(() => pool.connect(), /connection timeout|timeout expired/);
  const leaving = await startServer(t, (socket) => socket.end());
  await assertAway(connect(leaving.at), /Connection terminated unexpectedly|ECONNRESET|EPIPE/);
  const resetting = await startServer(t, (socket) => socket.resetAndDestroy());
  await assertAway(connect(resetting.at), /ECONNRESET|EPIPE/);
  const full = await startServer(t, (socket) => socket.write("E"));
  await assertAway(
    connect({ ...full.at, ssl: { rejectUnauthorized: false } }),
    /There was an error establishing an SSL connection/,
  );
  await silent.close();
  await assertAway(connect(silent.at), /ECONNREFUSED/);
  await assertAway(connect({ ...silent.at, host: "/nowhere" }), /ENOENT/);
});

test("several addresses of which none answers are told together", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED ::1:5432"), { code: "ECONNREFUSED" });
  assert.ok(isDatabaseAway(new AggregateError([refused, refused])));
  assert.ok(isDatabaseAway(new Error("the tasks were not read", { cause: refused })));
});

test("what passes, by its code", () => {
  const away = [
    "08000",
    "08006",
    "53100",
    "53200",
    "53300",
    "57014",
    "57P01",
    "57P02",
    "57P03",
    "57P04",
    "57P05",
  ];
  const unnamed = ["ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ETIMEDOUT"];
  for (const code of [...away, "25006", "25P03", "25P04", ...unnamed])
    assert.ok(isDatabaseAway(Object.assign(new Error("x"), { code })), code);
});

test("a server that refuses us is there: a wrong password, no such user, no such database", async () => {
  const refusals = [
    { password: "wrong" },
    { username: "nobody", password: "x" },
    { pathname: "/no_such_database" },
  ];
  for (const change of refusals) {
    const url = new URL(database.url);
    Object.assign(url, change);
    const error = await thrownBy(() => new pg.Client({ connectionString: url.href }).connect());
    assert.ok(isDatabaseRefusing(error), `${JSON.stringify(change)}: ${error.message}`);
    assert.ok(!isDatabaseAway(error), error.message);
  }
});

test("mistakes of ours are not the database's", async (t) => {
  const { pool, db } = open(t);
  const mistakes = [
    () => pool.query("SELECT no_such_column"),
    () => pool.query("SELECT 1/0"),
    () => pool.query("SELECT $1::int", []),
    () =>
      db
        .selectFrom("no_such_table" as "tasks")
        .selectAll()
        .execute(),
    () => Promise.reject(new TypeError("undefined is not a function")),
    () => Promise.reject("a string"),
    () => Promise.reject(undefined),
  ];
  for (const mistake of mistakes) {
    const error = await thrownBy(mistake);
    assert.ok(!isDatabaseAway(error) && !isDatabaseRefusing(error), String(error));
  }
});
