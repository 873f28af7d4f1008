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
  /** The same before all others who wait; it waits for a moment at most. */
  takeFirst<Answer>(act: () => Promise<Answer>, stopping: AbortSignal): Promise<Answer | undefined>;
  /** All who wait begin. */
  hurry(): void;
}

/** In the order in which they came: what lets each of them begin. */
type Line = (() => void)[];

export function createTurns(clock: Pick<Clock, "after">): Turns {
  /** What each calls who is waited for, when it is done. */
  const working = new Set<() => void>();
  const first: Line = [];
  const others: Line = [];

  /** At work from now on, until what it answers is called, or it was for so long that it may hang. */
  function begin(): () => void {
    const leave = () => {
      forgetPatience();
      if (working.delete(leave) && working.size === 0) (first[0] ?? others[0])?.();
    };
    const forgetPatience = clock.after(TURN_MS, leave);
    working.add(leave);
    return leave;
  }

  /** Whoever resumes after it is at work already, so that nobody else begins in between. */
  function wait(line: Line, stopping: AbortSignal): Promise<() => void> {
    if (working.size === 0) return Promise.resolve(begin());
    return new Promise((resolve) => {
      const goOn = () => {
        line.splice(line.indexOf(goOn), 1);
        forgetMoment?.();
        stopping.removeEventListener("abort", goOn);
        resolve(begin());
      };
      const forgetMoment = line === first ? clock.after(MOMENT_MS, goOn) : undefined;
      stopping.addEventListener("abort", goOn);
      line.push(goOn);
    });
  }

  async function takeTurn<Answer>(
    line: Line,
    act: () => Promise<Answer>,
    stopping: AbortSignal,
  ): Promise<Answer | undefined> {
    if (stopping.aborted) return undefined;
    const leave = await wait(line, stopping);
    try {
      return stopping.aborted ? undefined : await act();
    } finally {
      leave();
    }
  }

  return {
    take: (act, stopping) => takeTurn(others, act, stopping),
    takeFirst: (act, stopping) => takeTurn(first, act, stopping),
    hurry() {
      for (const goOn of [...first, ...others]) goOn();
    },
  };
}
