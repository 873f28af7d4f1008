/**
 * What an actor does: a generator that stops wherever others may come between, or a crash. It says there what it waits for.
 */
import type { Database, Transaction, View } from "../database/database.ts";
import type { Actor } from "./actors.ts";

export type Request =
  | { kind: "statement"; name: string; tx: Transaction | null; run(view: View): unknown }
  | { kind: "commit"; name: string; tx: Transaction }
  /** Until an instant of the true clock, or until the process is given the signal. */
  | { kind: "rest"; untilMs: number; signal: string | null; recurs?: Recurrence }
  /** Nothing: others may come, and a crash. */
  | { kind: "step" };

/**
 * A rest between passes of a loop. Most passes find nothing to do: nobody could tell them from none, so they are no moves.
 */
export interface Recurrence {
  everyMs: number;
  /** The pass, where nothing could come between its steps: it is done. False: it is to be done step by step. */
  passAtOnce(by: Actor): boolean;
}

export type Script<T = void> = Generator<Request, T, unknown>;

/** What a script is thrown where its statement, or the answer to it, was lost. There are many: no error, with its stack. */
export class ConnectionLost {}

/** A statement in its own transaction, or in `tx`. */
export function* ask<T>(name: string, run: (view: View) => T, tx: Transaction | null = null): Script<T> {
  return (yield { kind: "statement", name, tx, run }) as T;
}

export function* inTransaction<T>(
  database: Database,
  name: string,
  body: (tx: Transaction) => Script<T>,
): Script<T> {
  const tx = database.begin(name);
  try {
    const answer = yield* body(tx);
    yield { kind: "commit", name, tx };
    return answer;
  } finally {
    if (tx.state === "open") database.rollBack(tx);
  }
}

export function* restUntil(untilMs: number, signal: string | null = null): Script {
  yield { kind: "rest", untilMs, signal };
}

export function* restBetween(untilMs: number, recurs: Recurrence): Script {
  yield { kind: "rest", untilMs, signal: null, recurs };
}

export function* step(): Script {
  yield { kind: "step" };
}
