/**
 * Keeps a consumer of a lane alive, whatever ends it. States: joining → consuming → (it crashed, or stands still)
 * leaving → backing off → joining …; stopped, from each of them. A join that fails backs off as well. Each join makes a
 * fresh member; nothing of the former one is used again.
 */
import type { Clock } from "../clock.ts";
import { createLoopRest } from "../loop-rest.ts";
import { createHearing } from "./hearing.ts";
import { backoffMs, type Patience } from "./patience.ts";
import type { Consumption } from "./transport.ts";

/** A consumer that has joined. */
export interface Member {
  /** Resolves once it no longer receives, with why. */
  ended: Promise<unknown>;
  /** How the silence of the broker is to be read. `long`: nothing may be heard now. `dead`: its group has let it go. */
  judgeSilence(nowMs: number): "none" | "long" | "dead";
  /** Receives nothing more; resolves when no handler call is under way. Never rejects. */
  leave(): Promise<void>;
}

export interface SupervisionReport {
  /** What rings is heard. */
  joined(): void;
  /** What rings is not heard, and tried again after the wait. `wasMember`: a member was lost, not only a join failed. */
  lost(error: unknown, waitMs: number, wasMember: boolean): void;
  /** Only a fresh process may heal it. It is tried on until this one has ended. */
  hopeless(error: Error): void;
}

export interface SupervisionParts {
  /** Sees to what a join needs, and joins. Rejects where that fails, soon where the signal aborts. */
  join(signal: AbortSignal): Promise<Member>;
  patience: Patience;
  clock: Clock;
  random(): number;
  report: SupervisionReport;
}

/** Also how soon a process that was frozen finds out. */
const WATCH_MS = 1_000;
/** A member that lasted so long was a good one: the wait begins at its least again. */
const STEADY_MS = 60_000;

export function superviseConsumer({ join, patience, clock, random, report }: SupervisionParts): Consumption {
  const hearing = createHearing();
  const rest = createLoopRest(clock);

  /** Resolves with why the member is to be replaced, or once this is stopped. */
  async function watch(member: Member): Promise<unknown> {
    let end: { error: unknown } | undefined;
    void member.ended.then((error) => {
      end = { error };
      rest.wake();
    });
    while (!rest.stopped.aborted) {
      rest.look();
      if (end) return end.error;
      const silence = member.judgeSilence(clock.now().getTime());
      if (silence === "dead") return new Error("nothing came from the broker for longer than the session");
      hearing.set(silence === "none");
      await rest.rest(WATCH_MS);
    }
    return undefined;
  }

  /** From a join to the end of what it brought. */
  async function live(): Promise<{ error: unknown; member?: Member; isSteady: boolean }> {
    try {
      const member = await join(rest.stopped);
      const joinedMs = clock.now().getTime();
      patience.healed();
      report.joined();
      const error = await watch(member);
      return { error, member, isSteady: clock.now().getTime() - joinedMs >= STEADY_MS };
    } catch (error) {
      return { error, isSteady: false };
    }
  }

  async function supervise(): Promise<void> {
    for (let failures = 0; !rest.stopped.aborted; ) {
      const { error, member, isSteady } = await live();
      const leaving = member?.leave();
      if (rest.stopped.aborted) return await leaving;
      hearing.set(false);
      failures = isSteady ? 1 : failures + 1;
      const waitMs = backoffMs(failures, random());
      report.lost(error, waitMs, member !== undefined);
      // What it has in hand would only come again; and until that is dealt with no slot is free for more.
      await leaving;
      const hopeless = await patience.failed(error);
      if (hopeless) report.hopeless(hopeless);
      await clock.sleep(waitMs, rest.stopped);
    }
  }

  const ended = supervise();
  return {
    hearing,
    async stop() {
      hearing.end();
      rest.stop();
      await ended;
    },
  };
}
