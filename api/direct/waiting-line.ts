/**
 * Anonymous calls for which no worker has room wait here, in the API, and not in the queue: what is claimed from there
 * asks for no share. First come, first served for each function, for a few seconds; a place is tried when a call ends
 * and a few times a second, since other APIs' calls end, too.
 *
 * A call: offered → taken, or waiting ⇄ offered again → taken, or refused (the line is full, or it waited too long).
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createShares, type ShareLimits } from "../../core/shares.ts";
import type { CallEvents, DirectCaller } from "./direct-caller.ts";

const LOOK_EVERY_MS = 100;
/** Of one function, at one look. */
const OFFERED_AT_ONCE = 4;

export interface WaitingLine extends DirectCaller {
  readonly count: number;
}

interface Waiting {
  call: DirectCall;
  events: CallEvents;
  deadlineMs: number;
}

export function createWaitingLine(
  caller: DirectCaller,
  { clock, waitMs, limits }: { clock: Clock; waitMs: number; limits: ShareLimits },
): WaitingLine {
  const places = createShares(limits);
  /** By function. */
  const lines = new Map<string, Waiting[]>();
  let isArmed = false;

  const nowMs = () => clock.now().getTime();

  /** @param waited what it is where it was in the line before */
  function offer(call: DirectCall, events: CallEvents, waited: Waiting | undefined): void {
    caller.begin(call, {
      ...events,
      onNone(why) {
        if (why !== "busy" || !wait(call, events, waited)) events.onNone(why);
      },
      onDone(outcome) {
        events.onDone(outcome);
        offerNext(call.functionId);
      },
      onLost(outcome) {
        events.onLost(outcome);
        offerNext(call.functionId);
      },
    });
  }

  /** False: it does not wait, or no longer. */
  function wait(call: DirectCall, events: CallEvents, waited: Waiting | undefined): boolean {
    const line = lines.get(call.functionId) ?? [];
    if (waited) {
      if (isOver(waited)) return false;
      places.retake(call, 1);
      line.unshift(waited);
    } else {
      if (!places.take(call, 1)) return false;
      line.push({ call, events, deadlineMs: nowMs() + waitMs });
    }
    lines.set(call.functionId, line);
    arm();
    return true;
  }

  const isOver = ({ events, deadlineMs }: Waiting) => events.isGone?.() === true || nowMs() >= deadlineMs;

  function offerNext(functionId: string): void {
    const line = lines.get(functionId);
    const waiting = line?.shift();
    if (line?.length === 0) lines.delete(functionId);
    if (!waiting) return;
    places.release(waiting.call, 1);
    if (isOver(waiting)) waiting.events.onNone("busy");
    else offer(waiting.call, waiting.events, waiting);
  }

  function arm(): void {
    if (isArmed) return;
    isArmed = true;
    clock.after(LOOK_EVERY_MS, look);
  }

  function look(): void {
    isArmed = false;
    for (const [functionId, line] of [...lines]) {
      const over = line.filter(isOver);
      const left = line.filter((waiting) => !over.includes(waiting));
      if (left.length > 0) lines.set(functionId, left);
      else lines.delete(functionId);
      for (const { call, events } of over) {
        places.release(call, 1);
        events.onNone("busy");
      }
      for (let n = 0; n < OFFERED_AT_ONCE; n += 1) offerNext(functionId);
    }
    if (lines.size > 0) arm();
  }

  return {
    get count() {
      return places.held;
    },
    begin(call, events) {
      if (call.isPublic) offer(call, events, undefined);
      else caller.begin(call, events);
    },
  };
}
