/**
 * PostgreSQL at read committed, as far as the model needs it: a statement is one step that sees what was committed before
 * it and what its own transaction wrote, rows that are written stay locked until the transaction ends, and nobody sees them
 * before. A statement that has to wait for a lock has done nothing, and is asked again as a whole.
 *
 * States of a transaction: open → committed, or rolled back (a crash, a lost connection, idle for too long).
 */
import type { TableName, Tables } from "./rows.ts";

type Row = Tables[TableName];

/** One row of a commit. */
export type Change = {
  [T in TableName]: { table: T; key: string; before: Tables[T] | undefined; after: Tables[T] | undefined };
}[TableName];

/** Thrown by a statement that waits. No error: nothing is wrong, and there are many. */
export class LockWait {
  readonly lock: string;
  constructor(lock: string) {
    this.lock = lock;
  }
}

interface Write {
  table: TableName;
  key: string;
  after: Row | undefined;
}

export interface Transaction {
  readonly name: string;
  state: "open" | "committed" | "rolled back";
  writes: Map<string, Write>;
  locks: Set<string>;
  lastUsedMs: number;
}

/** What a statement sees and does. */
export interface View {
  /** By the database's clock. */
  readonly nowMs: number;
  get<T extends TableName>(table: T, key: string): Tables[T] | undefined;
  all<T extends TableName>(table: T): Tables[T][];
  /** FOR UPDATE. */
  lock(table: TableName, key: string): void;
  /** FOR UPDATE SKIP LOCKED: false where another has it. */
  tryLock(table: TableName, key: string): boolean;
  put<T extends TableName>(table: T, key: string, row: Tables[T]): void;
  remove(table: TableName, key: string): void;
}

export interface Database {
  begin(name: string): Transaction;
  /** One statement of an open transaction. Throws a `LockWait`, with nothing done. */
  execute<T>(tx: Transaction, nowMs: number, statement: (view: View) => T): T;
  commit(tx: Transaction): Change[];
  rollBack(tx: Transaction): void;
  isLocked(lock: string): boolean;
  /** What is committed. */
  read<T extends TableName>(table: T): ReadonlyMap<string, Tables[T]>;
  open(): ReadonlySet<Transaction>;
}

export function createDatabase(): Database {
  const tables: { [T in TableName]: Map<string, Tables[T]> } = {
    tasks: new Map(),
    runs: new Map(),
    finals: new Map(),
    workers: new Map(),
    limits: new Map(),
  };
  const owners = new Map<string, Transaction>();
  const open = new Set<Transaction>();

  const nameOf = (table: TableName, key: string) => `${table}/${key}`;

  function tryLock(tx: Transaction, lock: string): boolean {
    const owner = owners.get(lock);
    if (owner !== undefined && owner !== tx) return false;
    owners.set(lock, tx);
    tx.locks.add(lock);
    return true;
  }

  function lockOrWait(tx: Transaction, lock: string): void {
    if (!tryLock(tx, lock)) throw new LockWait(lock);
  }

  function listAll<T extends TableName>(tx: Transaction, table: T): Tables[T][] {
    const committed = tables[table] as Map<string, Tables[T]>;
    if (tx.writes.size === 0) return [...committed.values()];
    const rows = new Map(committed);
    for (const { table: written, key, after } of tx.writes.values()) {
      if (written !== table) continue;
      if (after === undefined) rows.delete(key);
      else rows.set(key, after as Tables[T]);
    }
    return [...rows.values()];
  }

  function view(tx: Transaction, nowMs: number): View {
    const write = (table: TableName, key: string, after: Row | undefined) => {
      const name = nameOf(table, key);
      lockOrWait(tx, name);
      tx.writes.set(name, { table, key, after });
    };
    return {
      nowMs,
      get<T extends TableName>(table: T, key: string) {
        const written = tx.writes.size > 0 ? tx.writes.get(nameOf(table, key)) : undefined;
        return (written ? written.after : tables[table].get(key)) as Tables[T] | undefined;
      },
      all: (table) => listAll(tx, table),
      lock: (table, key) => lockOrWait(tx, nameOf(table, key)),
      tryLock: (table, key) => tryLock(tx, nameOf(table, key)),
      put: write,
      remove: (table, key) => write(table, key, undefined),
    };
  }

  function end(tx: Transaction, state: "committed" | "rolled back"): void {
    for (const lock of tx.locks) owners.delete(lock);
    tx.state = state;
    open.delete(tx);
  }

  return {
    begin(name) {
      const tx: Transaction = {
        name,
        state: "open",
        writes: new Map(),
        locks: new Set(),
        lastUsedMs: 0,
      };
      open.add(tx);
      return tx;
    },
    execute(tx, nowMs, statement) {
      tx.lastUsedMs = nowMs;
      const [writes, locks] = [new Map(tx.writes), new Set(tx.locks)];
      try {
        return statement(view(tx, nowMs));
      } catch (error) {
        tx.writes = writes;
        for (const lock of tx.locks) if (!locks.has(lock)) owners.delete(lock);
        tx.locks = locks;
        throw error;
      }
    },
    commit(tx) {
      const changes = Array.from(tx.writes.values(), ({ table, key, after }) => {
        const rows = tables[table] as Map<string, Row>;
        const before = rows.get(key);
        if (after === undefined) rows.delete(key);
        else rows.set(key, after);
        return { table, key, before, after } as Change;
      });
      end(tx, "committed");
      return changes;
    },
    rollBack: (tx) => end(tx, "rolled back"),
    isLocked: (lock) => owners.has(lock),
    read: (table) => tables[table],
    open: () => open,
  };
}
