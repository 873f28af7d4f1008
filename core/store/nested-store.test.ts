import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { BellhopError } from "../errors.ts";
import type { QueryScope, Store } from "./database.ts";
import { openNestedStore } from "./nested-store.ts";
import { openTestStore } from "./testing/test-store.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

const { store } = await openTestStore(createTestDatabase);
await store.pool.query("CREATE TABLE written (name text PRIMARY KEY)");

const write = ({ pool }: Pick<QueryScope, "pool">, name: string) =>
  pool.query("INSERT INTO written VALUES ($1)", [name]);

/** What is left of what `work` writes, after the commit of the outer transaction, if that commits. */
async function written(work: (nested: Store) => Promise<unknown>): Promise<string[]> {
  await store.pool.query("TRUNCATE written");
  await inTransaction(store.pool, (tx) => work(openNestedStore(store, tx))).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
  });
  const { rows } = await store.pool.query<{ name: string }>("SELECT name FROM written ORDER BY name");
  return rows.map(({ name }) => name);
}

class Refusal extends Error {}
const isTaken = { code: "23505" };

test("nothing is seen before the outer commit, and nothing stays without it", async () => {
  const names = await written(async (nested) => {
    await write(nested, "a");
    await inTransaction(nested.pool, ({ pool }) => pool.query("INSERT INTO written VALUES ('b')"));
    const { rows } = await store.pool.query("SELECT FROM written");
    assert.equal(rows.length, 0);
    const { rows: own } = await sql`SELECT FROM written`.execute(nested.db);
    assert.equal(own.length, 2);
  });
  assert.deepEqual(names, ["a", "b"]);
  const none = await written(async (nested) => {
    await write(nested, "a");
    await nested.db.transaction().execute((tx) => sql`INSERT INTO written VALUES ('b')`.execute(tx));
    throw new Refusal();
  });
  assert.deepEqual(none, []);
});

test("a statement that fails leaves what came before it, and others that come at the same time", async () => {
  const names = await written(async (nested) => {
    await write(nested, "a");
    const all = await Promise.allSettled(["b", "a", "c"].map((name) => write(nested, name)));
    assert.deepEqual(
      all.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    await assert.rejects(sql`INSERT INTO written VALUES ('b')`.execute(nested.db), isTaken);
    await write(nested, "d");
  });
  assert.deepEqual(names, ["a", "b", "c", "d"]);
});

test("a transaction that fails leaves nothing of itself, however it is left", async () => {
  const refusals: Record<string, Error> = {
    "a no": new BellhopError("no", 422, "no"),
    "a fault": new Error("a fault"),
  };
  for (const [name, refusal] of Object.entries(refusals)) {
    const names = await written(async (nested) => {
      await write(nested, "a");
      const failing = inTransaction(nested.pool, async (tx) => {
        await tx.pool.query("INSERT INTO written VALUES ('b')");
        throw refusal;
      });
      await assert.rejects(failing, refusal);
      const clash = inTransaction(nested.pool, async (tx) => {
        await tx.pool.query("INSERT INTO written VALUES ('c')");
        await tx.pool.query("INSERT INTO written VALUES ('a')");
      });
      await assert.rejects(clash, isTaken);
      const ofKysely = nested.db.transaction().execute(async (tx) => {
        await sql`INSERT INTO written VALUES ('d')`.execute(tx);
        throw refusal;
      });
      await assert.rejects(ofKysely, refusal);
      await write(nested, "e");
    });
    assert.deepEqual(names, ["a", "e"], name);
  }
});

test("transactions stand within one another", async () => {
  const names = await written(async (nested) => {
    await inTransaction(nested.pool, async (outer) => {
      await outer.pool.query("INSERT INTO written VALUES ('a')");
      const inner = inTransaction(nested.pool, async (tx) => {
        await tx.pool.query("INSERT INTO written VALUES ('b')");
        throw new Refusal();
      });
      await assert.rejects(inner, Refusal);
      await nested.db.transaction().execute((tx) => sql`INSERT INTO written VALUES ('c')`.execute(tx));
      await outer.pool.query("INSERT INTO written VALUES ('d')");
    });
  });
  assert.deepEqual(names, ["a", "c", "d"]);
});

test("what is to be done last is done at the outer end, unless what asked for it has failed", async () => {
  const names = await written(async (nested) => {
    const asking = (name: string, tx: Transaction) =>
      tx.beforeCommit((scope) => write(scope, name).then(() => {}));
    await inTransaction(nested.pool, async (tx) => {
      asking("a", tx);
      await write(tx, "b");
    });
    const { rows } = await nested.pool.query("SELECT name FROM written");
    assert.deepEqual(rows, [{ name: "b" }]);
    await assert.rejects(
      inTransaction(nested.pool, async (tx) => {
        asking("c", tx);
        throw new Refusal();
      }),
      Refusal,
    );
    await assert.rejects(
      inTransaction(nested.pool, async () => {
        await inTransaction(nested.pool, async (inner) => asking("d", inner));
        throw new Refusal();
      }),
      Refusal,
    );
    await write(nested, "e");
  });
  assert.deepEqual(names, ["a", "b", "e"]);
});
