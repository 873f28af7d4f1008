/**
 * A store for work that is not to know that it is part of a transaction: what would commit by itself, a statement or a
 * transaction, is a savepoint of that one. What fails leaves what came before it, as ever; nothing is seen by others
 * before the outer commit.
 *
 * Statements may come at once and go one after another; transactions may not. All of them read what is committed: an
 * isolation of their own they cannot have.
 */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { Store } from "./database.ts";
import type { Database } from "./schema.ts";
import type { LastWork, Transaction } from "./transaction.ts";

type Query = (...given: unknown[]) => Promise<unknown>;

const BEGIN = /^(begin|start transaction)\b/i;
const COMMIT = /^commit\b/i;
const ROLLBACK = /^rollback$/i;
const DONE = { command: "", rowCount: null, rows: [] };

export function openNestedStore(store: Store, { pool: client, beforeCommit }: Transaction): Store {
  const pool = createNestedPool(client.query.bind(client) as Query, beforeCommit);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return { ...store, db, pool, plannedPool: pool, plannedDb: db };
}

/** @param send hands a statement to the connection, which takes one at a time */
function createNestedPool(send: Query, beforeCommit: Transaction["beforeCommit"]): pg.Pool {
  /** Transactions that are open within one another, with what is to be done last of each. */
  const open: LastWork[][] = [];
  let last: Promise<unknown> = Promise.resolve();

  /** One after another: a savepoint holds what comes after it. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  }
  /** To the transaction around it. */
  function handOn(works: LastWork[]): void {
    const outer = open.at(-1);
    if (outer) outer.push(...works);
    else works.forEach(beforeCommit);
  }
  const query: Query = (...given) =>
    inTurn(() => (open.length > 0 ? send(...given) : sendAlone(send, given)));

  /** A connection as a pool lends it. */
  function lend() {
    let savepoint: string | undefined;
    let own: LastWork[] = [];

    function begin() {
      return inTurn(async () => {
        own = [];
        open.push(own);
        savepoint = `nested_${open.length}`;
        await send(`SAVEPOINT ${savepoint}`);
        return DONE;
      });
    }
    function end(...statements: string[]) {
      const name = savepoint;
      savepoint = undefined;
      return inTurn(async () => {
        open.pop();
        for (const statement of statements) await send(`${statement} SAVEPOINT ${name}`);
        if (statements[0] === "RELEASE") handOn(own);
        return DONE;
      });
    }
    return {
      beforeCommit: (work: LastWork) => void own.push(work),
      query(...given: unknown[]): Promise<unknown> {
        const text = typeof given[0] === "string" ? given[0] : "";
        if (BEGIN.test(text)) return begin();
        if (savepoint === undefined) return query(...given);
        if (COMMIT.test(text)) return end("RELEASE");
        if (ROLLBACK.test(text)) return end("ROLLBACK TO", "RELEASE");
        return inTurn(() => send(...given));
      },
      /** Who gives it back within a transaction leaves the rollback to its closing. */
      release() {
        if (savepoint !== undefined) end("ROLLBACK TO", "RELEASE").catch(() => {});
      },
    };
  }

  const nested = { query, connect: async () => lend(), async end() {}, options: {} };
  return nested as unknown as pg.Pool;
}

/** What would commit by itself. */
async function sendAlone(send: Query, given: unknown[]): Promise<unknown> {
  await send("SAVEPOINT statement");
  try {
    const result = await send(...given);
    await send("RELEASE SAVEPOINT statement");
    return result;
  } catch (error) {
    await send("ROLLBACK TO SAVEPOINT statement");
    await send("RELEASE SAVEPOINT statement");
    throw error;
  }
}
