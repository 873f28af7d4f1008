/** What must hold after every step, or once all is quiet: one of docs/guarantees.md, watched as it happens. */
import type { Change } from "../database/database.ts";
import type { TableName, Tables } from "../database/rows.ts";
import type { Listener, World } from "../simulation/world.ts";

export interface Violation {
  invariant: string;
  what: string;
}

export interface Watch extends Listener {
  /** Everything was healed, and nothing is left to be done. */
  quiet(): void;
}

export interface Invariant {
  name: string;
  /** What is promised. */
  promise: string;
  watch(world: World, report: (what: string) => void): Partial<Watch>;
}

/** Those of a commit's changes that are of one table. */
export const changesOf = <T extends TableName>(changes: readonly Change[], table: T) =>
  changes.filter((change) => change.table === table) as {
    key: string;
    before: Tables[T] | undefined;
    after: Tables[T] | undefined;
  }[];
