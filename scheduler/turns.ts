/**
 * Who begins now, and who waits for others: so that one connection serves all of a round, however many jobs it has. A
 * connection that is opened for a statement costs both sides more than the statement does. States of one who asks: waiting
 * → at work → done; waiting → at work beside others, if it goes first and a moment is over, or once `hurry` is called; at
 * work → hanging → done: whoever is at work for so long is waited for no more.
 */
import type { Clock } from "../core/clock.ts";

/** Who is at work for longer may hang. */
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
  /** What each calls who is waited for, when it is done. */
  const working = new Set<() => void>();
  const waiting: (() => void)[] = [];

  /** At work from now on, until what it answers is called, or it was for so long that it may hang. */
  function begin(): () => void {
    const leave = () => {
      forgetPatience();
      if (working.delete(leave) && working.size === 0) waiting[0]?.();
    };
    const forgetPatience = clock.after(TURN_MS, leave);
    working.add(leave);
    return leave;
  }

  /** Whoever resumes after it is at work already, so that nobody else begins in between. */
  function wait(goesFirst: boolean, stopping?: AbortSignal): Promise<() => void> {
    if (working.size === 0) return Promise.resolve(begin());
    return new Promise((resolve) => {
      const goOn = () => {
        waiting.splice(waiting.indexOf(goOn), 1);
        forgetMoment?.();
        stopping?.removeEventListener("abort", goOn);
        resolve(begin());
      };
      const forgetMoment = goesFirst ? clock.after(MOMENT_MS, goOn) : undefined;
      stopping?.addEventListener("abort", goOn);
      if (goesFirst) waiting.unshift(goOn);
      else waiting.push(goOn);
    });
  }

  return {
    async take(act, stopping) {
      if (stopping.aborted) return undefined;
      const leave = await wait(false, stopping);
      try {
        return stopping.aborted ? undefined : await act();
      } finally {
        leave();
      }
    },
    async takeFirst(act) {
      const leave = await wait(true);
      try {
        return await act();
      } finally {
        leave();
      }
    },
    hurry() {
      for (const goOn of [...waiting]) goOn();
    },
  };
}
