/**
 * From events to claimed runs. Unlike the queue's intake nothing waits for a slot, and the table is not searched: whoever
 * sent an event waits for its run, and that is all that keeps this worker from being taken away.
 *
 * States of an event: refused (full, draining), or with a slot of its own: early → pending → claiming → started → its
 * run has ended. From pending on it may also turn out that its run is somebody else's, is early, or takes too long.
 * One claim is under way at a time; what arrives meanwhile is the next one.
 */
import type { Clock } from "../../core/clock.ts";
import type { Lane } from "../../core/domain/lane.ts";
import type { Bell } from "../../core/queue/transport.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { EarlyRun } from "../../core/store/runs/find-claimable.ts";
import { lockedWaitMs } from "../locked-wait.ts";
import type { Slots } from "../slots.ts";

/** How a run ended for its worker: written to its row (or dropped, being another's by then), or given back. */
export type RunEnd = "recorded" | "given_back";

/**
 * What is answered. `not_waiting`: the run is taken, over, or waits for a permit of its function's limit, and is rung then;
 * `later`: its instant is far, the scheduler rings it again; `long_run`: its bell went to the lane of long runs;
 * `failed`: database or queue did not answer.
 */
export type EventOutcome = RunEnd | "not_waiting" | "later" | "long_run" | "full" | "draining" | "failed";

export interface EventIntakeParts {
  /** No run that may take longer is claimed from an event. */
  windowMs: number;
  clock: Clock;
  slots: Slots;
  /** Those of `runIds` that are due and short; for one that must wait for a permit there may come another short one. */
  claimRuns(runIds: string[]): Promise<ClaimedRun[]>;
  findEarlyRuns(runIds: string[]): Promise<EarlyRun[]>;
  /** Runs it in the slot that was taken for it, and gives that back. */
  work(run: ClaimedRun): Promise<RunEnd>;
  ring(bells: Bell[], lane: Lane): Promise<void>;
  onError(error: unknown): void;
}

export interface EventIntake {
  /** Resolves when the event can be answered: for a run that started, when it has ended. Never rejects. */
  take(bell: Bell): Promise<EventOutcome>;
  /** Resolves when the claim that is under way now has begun what it found, or failed. */
  whenClaimed(): Promise<void>;
  /** Refuses further events; resolves when the claim under way is done. */
  close(): Promise<void>;
}

/** A run that is early for longer is left to the scheduler, which rings what is overdue. */
export const EVENT_WAIT_MS = 5_000;
const CLAIM_BATCH = 500;

/** What a claim made of one event. `end`: the slot is the run's from here on. */
type Fate =
  | { kind: "started"; end: Promise<EventOutcome> }
  | { kind: "early"; waitMs: number }
  | { kind: "over"; outcome: EventOutcome };

interface PendingEvent {
  runId: string;
  settle(fate: Fate): void;
}

const over = (outcome: EventOutcome): Fate => ({ kind: "over", outcome });

export function createEventIntake(parts: EventIntakeParts): EventIntake {
  const { clock, slots, windowMs, onError } = parts;
  const closed = new AbortController();
  const pending: PendingEvent[] = [];
  let working: Promise<void> | undefined;
  let claiming: Promise<void> | undefined;

  async function take(bell: Bell): Promise<EventOutcome> {
    const arrivedMs = clock.now().getTime();
    let waitMs = bell.availableAt.getTime() - arrivedMs;
    if (closed.signal.aborted) return "draining";
    if (waitMs > EVENT_WAIT_MS) return "later";
    if (slots.free() < 1) return "full";
    slots.take(1);
    for (let tries = 0; ; tries += 1) {
      if (waitMs > 0) await clock.sleep(waitMs, closed.signal);
      const fate = await claim(bell.runId);
      if (fate.kind === "started") return await fate.end;
      const leftMs = arrivedMs + EVENT_WAIT_MS - clock.now().getTime();
      if (fate.kind === "early") waitMs = Math.max(fate.waitMs, lockedWaitMs(tries));
      if (fate.kind === "early" && waitMs <= leftMs) continue;
      slots.release(1);
      return fate.kind === "early" ? "later" : fate.outcome;
    }
  }

  function claim(runId: string): Promise<Fate> {
    return new Promise((settle) => {
      pending.push({ runId, settle });
      work();
    });
  }

  function work(): void {
    working ??= claimPending().finally(() => {
      working = undefined;
      // What came between the last look and now.
      if (pending.length > 0) work();
    });
  }

  async function claimPending(): Promise<void> {
    // What arrives in the same turn of the event loop is one claim.
    await new Promise(setImmediate);
    while (pending.length > 0) {
      const batch = pending.splice(0, CLAIM_BATCH);
      if (closed.signal.aborted) {
        for (const event of batch) event.settle(over("draining"));
        continue;
      }
      claiming = claimBatch(batch);
      await claiming;
    }
  }

  async function claimBatch(batch: PendingEvent[]): Promise<void> {
    try {
      const claimed = await parts.claimRuns([...new Set(batch.map(({ runId }) => runId))]);
      const runs = new Map(claimed.map((run) => [run.id, run]));
      const left: PendingEvent[] = [];
      for (const event of batch) {
        const run = runs.get(event.runId);
        if (run && runs.delete(run.id)) event.settle(toStarted(run));
        else left.push(event);
      }
      if (left.length > 0) await settleLeft(left, [...runs.values()]);
    } catch (error) {
      const failed = over(toFailure(error));
      for (const event of batch) event.settle(failed);
    }
  }

  /** Events whose runs were not claimed, and runs that came in the place of some of them. */
  async function settleLeft(left: PendingEvent[], others: ClaimedRun[]): Promise<void> {
    const early = await findEarly(left);
    // A run that gave up its place waits for a permit: it is not among the early ones, or no more than for a moment.
    const ordered = left.toSorted((a, b) => Number(early.has(a.runId)) - Number(early.has(b.runId)));
    const long = new Map<PendingEvent, Bell>();
    for (const event of ordered) {
      const other = others.shift();
      const found = early.get(event.runId);
      if (other) event.settle(toStarted(other));
      else if (!found) event.settle(over("not_waiting"));
      else if (found === "unknown") event.settle(over("failed"));
      else if (found.timeoutMs <= windowMs) event.settle({ kind: "early", waitMs: found.waitMs });
      else long.set(event, { runId: found.id, availableAt: found.availableAt });
    }
    if (long.size === 0) return;
    const outcome = await parts
      .ring([...long.values()], "long-runs")
      .then(() => "long_run" as const, toFailure);
    for (const event of long.keys()) event.settle(over(outcome));
  }

  async function findEarly(events: PendingEvent[]): Promise<Map<string, EarlyRun | "unknown">> {
    const runIds = events.map(({ runId }) => runId);
    try {
      const early = await parts.findEarlyRuns(runIds);
      return new Map(early.map((run) => [run.id, run]));
    } catch (error) {
      onError(error);
      return new Map(runIds.map((id) => [id, "unknown"]));
    }
  }

  const toStarted = (run: ClaimedRun): Fate => ({ kind: "started", end: parts.work(run).catch(toFailure) });

  function toFailure(error: unknown): "failed" {
    onError(error);
    return "failed";
  }

  return {
    take,
    async whenClaimed() {
      await claiming;
    },
    async close() {
      closed.abort();
      await working;
    },
  };
}
