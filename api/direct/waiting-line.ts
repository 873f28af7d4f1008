/**
 * Calls over HTTP wait here, in the API, if no worker has room or none is running. They do not wait in the queue,
 * because bodies cannot stream through a row and claims ignore shares. First come, first served per function. A place
 * is tried when a call ends, when a worker comes, and a few times a second, because other APIs' calls end too.
 *
 * A call: offered → taken, or waiting ⇄ renewed and offered again → taken, abandoned by its caller, refused (its caller
 * may no longer call), or given up (the line is full, or it waited too long).
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createShares, type ShareLimits } from "../../core/shares.ts";
import type { CallEvents, DirectCaller, NoneReason } from "./direct-caller.ts";
import { createLineDemand } from "./line-demand.ts";

const LOOK_EVERY_MS = 100;
/** Of one function, at one look. */
const OFFERED_AT_ONCE = 4;

/** What a call may wait for: a worker with room, or any worker at all. */
export type WaitReason = "busy" | "no_worker";

export interface WaitingLine extends DirectCaller {
  readonly count: number;
  /** A worker has come: whoever waits is offered to it. */
  offerAll(): void;
}

export interface WaitingLineParts {
  clock: Clock;
  /** How long a call waits for each. 0: not at all. */
  waitMs: Record<WaitReason, number>;
  limits: ShareLimits;
  /** How many wait now that more workers would help. */
  onCount(count: number): void;
  /** One begins to wait, before it is counted. */
  onWait?(call: DirectCall): void;
}

interface Waiting {
  call: DirectCall;
  events: CallEvents;
  /** Counted up: who came first is offered first, also where a worker's refusals come late. */
  arrival: number;
  hasWaited: boolean;
  /** Set when it first waits for that. */
  deadlineMs: Partial<Record<WaitReason, number>>;
  /** What it waits for now. */
  reason: WaitReason;
}

export function createWaitingLine(
  caller: DirectCaller,
  { clock, waitMs, limits, onCount, onWait }: WaitingLineParts,
): WaitingLine {
  const places = createShares(limits);
  const demand = createLineDemand(onCount);
  /** By function. */
  const lines = new Map<string, Waiting[]>();
  let arrivals = 0;
  let isArmed = false;

  const nowMs = () => clock.steadyMs();
  const isGone = ({ events }: Waiting) => events.isGone?.() === true;
  const isLate = ({ deadlineMs, reason }: Waiting) => nowMs() >= deadlineMs[reason]!;

  function offer(waiting: Waiting): void {
    const { call, events } = waiting;
    caller.begin(call, {
      ...events,
      onNone(why) {
        if (why === "busy" || why === "no_worker") wait(waiting, why);
        else events.onNone(why);
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

  function wait(waiting: Waiting, reason: WaitReason): void {
    const { call, events, deadlineMs } = waiting;
    waiting.reason = reason;
    // What it found busy is gone: the next worker that is full is waited for anew.
    if (reason === "no_worker") delete deadlineMs.busy;
    deadlineMs[reason] ??= nowMs() + waitMs[reason];
    if (isGone(waiting) || isLate(waiting)) {
      giveUp(waiting);
      return;
    }
    if (waiting.hasWaited) places.retake(call, 1);
    else if (!places.take(call, 1)) {
      events.onNone("busy");
      return;
    }
    if (!waiting.hasWaited) onWait?.(call);
    waiting.hasWaited = true;
    insert(waiting);
    demand.add(call.functionId, events.mostAtOnce?.());
    arm();
  }

  function insert(waiting: Waiting): void {
    const { functionId } = waiting.call;
    const line = lines.get(functionId) ?? [];
    let at = line.length;
    while (at > 0 && line[at - 1]!.arrival > waiting.arrival) at -= 1;
    line.splice(at, 0, waiting);
    lines.set(functionId, line);
  }

  function giveUp(waiting: Waiting): void {
    waiting.events.onNone(isGone(waiting) ? "left" : waiting.reason);
  }

  /** The first `most` of the line leave it; each keeps its place until it is offered. */
  function offerSome(functionId: string, most: number): void {
    const line = lines.get(functionId) ?? [];
    const taken = line.splice(0, most);
    if (line.length === 0) lines.delete(functionId);
    for (const waiting of taken) {
      const renewed = waiting.events.renew?.();
      if (renewed) void renewed.then((now) => offerAgain(waiting, now));
      else offerAgain(waiting, waiting.call);
    }
  }

  function offerAgain(waiting: Waiting, now: DirectCall | NoneReason | "later"): void {
    release(waiting);
    if (isGone(waiting) || isLate(waiting)) giveUp(waiting);
    else if (now === "later") wait(waiting, waiting.reason);
    else if (typeof now === "string") waiting.events.onNone(now);
    else {
      waiting.call = now;
      offer(waiting);
    }
  }

  function release({ call }: Waiting): void {
    places.release(call, 1);
    demand.remove(call.functionId);
  }

  const offerNext = (functionId: string) => offerSome(functionId, 1);

  function arm(): void {
    if (isArmed) return;
    isArmed = true;
    clock.after(LOOK_EVERY_MS, look);
  }

  function look(): void {
    isArmed = false;
    for (const functionId of [...lines.keys()]) {
      for (const waiting of takeOver(functionId)) giveUp(waiting);
      offerSome(functionId, OFFERED_AT_ONCE);
    }
    if (lines.size > 0) arm();
  }

  /** Whoever has left, or has waited for too long, leaves the line. */
  function takeOver(functionId: string): Waiting[] {
    const { over = [], waiting = [] } = Object.groupBy(lines.get(functionId) ?? [], (each) =>
      isGone(each) || isLate(each) ? "over" : "waiting",
    );
    if (over.length === 0) return over;
    if (waiting.length > 0) lines.set(functionId, waiting);
    else lines.delete(functionId);
    for (const each of over) release(each);
    return over;
  }

  return {
    get count() {
      return places.held;
    },
    offerAll() {
      for (const functionId of [...lines.keys()]) offerSome(functionId, Number.POSITIVE_INFINITY);
    },
    begin(call, events) {
      if (!call.http) {
        caller.begin(call, events);
        return;
      }
      arrivals += 1;
      offer({ call, events, arrival: arrivals, hasWaited: false, deadlineMs: {}, reason: "busy" });
    },
  };
}
