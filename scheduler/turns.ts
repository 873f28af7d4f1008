/**
 * Who begins now, and who waits for others: so that one connection serves all of a round, however many jobs it has. A
 * connection that is opened for a statement costs both sides more than the statement does. States of one who asks: waiting
 * → at work → done; waiting → at work beside others, after its patience, or once `hurry` is called.
 */
import type { Clock } from "../core/clock.ts";

/** Nobody waits longer for those who came before: one of them may hang. */
const TURN_MS = 5_000;
/** About as long as a connection takes to be opened, and to plan its first statements, on a busy machine. */
const MOMENT_MS = 100;

export interface Turns {
  /** Begins after all who came before. Whom `stopping` meets while it waits does not begin. */
  take<Answer>(act: () => Promise<Answer>, stopping: AbortSignal): Promise<Answer | undefined>;
  /** Begins before all who wait, and waits for who is at work for a moment at most. */
  takeFirst<Answer>(act: () => Promise<Answer>): Promise<Answer>;
  /** All who wait begin. */
  hurry(): void;
}

export function createTurns(clock: Pick<Clock, "after">): Turns {
  let working = 0;
  const waiting: (() => void)[] = [];

  async function work<Answer>(act: () => Promise<Answer>): Promise<Answer> {
    try {
      return await act();
    } finally {
      working -= 1;
      if (working === 0) waiting[0]?.();
    }
  }

  /** Whoever resumes after it is at work already, so that nobody else begins in between. */
  function wait(patienceMs: number, goesFirst: boolean, stopping?: AbortSignal): Promise<void> {
    if (working === 0) {
      working += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const begin = () => {
        waiting.splice(waiting.indexOf(begin), 1);
        forgetPatience();
        stopping?.removeEventListener("abort", begin);
        working += 1;
        resolve();
      };
      const forgetPatience = clock.after(patienceMs, begin);
      stopping?.addEventListener("abort", begin);
      if (goesFirst) waiting.unshift(begin);
      else waiting.push(begin);
    });
  }

  return {
    async take(act, stopping) {
      if (stopping.aborted) return undefined;
      await wait(TURN_MS, false, stopping);
      return await work(async () => (stopping.aborted ? undefined : await act()));
    },
    async takeFirst(act) {
      await wait(MOMENT_MS, true);
      return await work(act);
    },
    hurry() {
      for (const begin of [...waiting]) begin();
    },
  };
}
