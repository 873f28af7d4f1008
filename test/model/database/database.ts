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
  readonly table: TableName;
  readonly key: string;
  constructor(table: TableName, key: string) {
    this.table = table;
    this.key = key;
  }
}

interface Lock {
  table: TableName;
  key: string;
}

interface Write extends Lock {
  after: Row | undefined;
}

export interface Transaction {
  readonly name: string;
  state: "open" | "committed" | "rolled back";
  /** The last of each row. */
  writes: Write[];
  locks: Lock[];
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
  isLocked(lock: LockWait): boolean;
  /** What a statement would see now; it changes nothing. */
  look(nowMs: number): View;
  /** What is committed. */
  read<T extends TableName>(table: T): ReadonlyMap<string, Tables[T]>;
  open(): ReadonlySet<Transaction>;
}

type TableMap = { [T in TableName]: Map<string, Tables[T]> };

export function createDatabase(): Database {
  const tables = mapTables(() => new Map()) as TableMap;
  const owners = mapTables(() => new Map<string, Transaction>());
  const open = new Set<Transaction>();

  function tryLock(tx: Transaction, table: TableName, key: string): boolean {
    const owner = owners[table].get(key);
    if (owner !== undefined) return owner === tx;
    owners[table].set(key, tx);
    tx.locks.push({ table, key });
    return true;
  }

  function lockOrWait(tx: Transaction, table: TableName, key: string): void {
    if (!tryLock(tx, table, key)) throw new LockWait(table, key);
  }

  const findWrite = ({ writes }: Transaction, table: TableName, key: string): Write | undefined => {
    for (const write of writes) if (write.key === key && write.table === table) return write;
    return undefined;
  };

  function listAll<T extends TableName>(tx: Transaction, table: T): Tables[T][] {
    const committed = tables[table] as Map<string, Tables[T]>;
    if (!tx.writes.some((write) => write.table === table)) return [...committed.values()];
    const rows = new Map(committed);
    for (const { table: written, key, after } of tx.writes) {
      if (written !== table) continue;
      if (after === undefined) rows.delete(key);
      else rows.set(key, after as Tables[T]);
    }
    return [...rows.values()];
  }

  function view(tx: Transaction, nowMs: number): View {
    const write = (table: TableName, key: string, after: Row | undefined) => {
      lockOrWait(tx, table, key);
      const earlier = tx.writes.length > 0 ? findWrite(tx, table, key) : undefined;
      if (earlier) tx.writes[tx.writes.indexOf(earlier)] = { table, key, after };
      else tx.writes.push({ table, key, after });
    };
    return {
      nowMs,
      get<T extends TableName>(table: T, key: string) {
        const written = tx.writes.length > 0 ? findWrite(tx, table, key) : undefined;
        return (written ? written.after : tables[table].get(key)) as Tables[T] | undefined;
      },
      all: (table) => listAll(tx, table),
      lock: (table, key) => lockOrWait(tx, table, key),
      tryLock: (table, key) => tryLock(tx, table, key),
      put: write,
      remove: (table, key) => write(table, key, undefined),
    };
  }

  function release(locks: readonly Lock[]): void {
    for (const { table, key } of locks) owners[table].delete(key);
  }

  function end(tx: Transaction, state: "committed" | "rolled back"): void {
    release(tx.locks);
    tx.state = state;
    open.delete(tx);
  }

  return {
    begin(name) {
      const tx: Transaction = { name, state: "open", writes: [], locks: [], lastUsedMs: 0 };
      open.add(tx);
      return tx;
    },
    execute(tx, nowMs, statement) {
      tx.lastUsedMs = nowMs;
      const writes = tx.writes.length > 0 ? [...tx.writes] : [];
      const lockCount = tx.locks.length;
      try {
        return statement(view(tx, nowMs));
      } catch (error) {
        tx.writes = writes;
        release(tx.locks.splice(lockCount));
        throw error;
      }
    },
    commit(tx) {
      const changes = tx.writes.map(({ table, key, after }) => {
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
    look: (nowMs) => view(NOBODY, nowMs),
    isLocked: ({ table, key }) => owners[table].has(key),
    read: (table) => tables[table],
    open: () => open,
  };
}

/** Who only looks. */
const NOBODY: Transaction = { name: "look", state: "committed", writes: [], locks: [], lastUsedMs: 0 };

const mapTables = <T>(make: () => T): Record<TableName, T> => ({
  ...{ tasks: make(), runs: make(), finals: make(), workers: make(), limits: make() },
});
