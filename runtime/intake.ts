/**
 * From bells to claimed runs. One claim is in progress at a time; bells that ring meanwhile join the next one, so
 * claims become batches by themselves. `decideClaim` decides whether it asks for the runs that bells name or, if there
 * is more work than room, for the best in the table: a bell then only means that there is one more run to claim. Such
 * a claim waits a moment for more free slots (`wantsMoreSlots`).
 *
 * States of a bell: early (a timer holds it) → waiting → handled: its run was claimed, or is gone, or is early, or
 * another was claimed in its place. States of the intake: open → closed (bells are refused, the current claim still
 * counts).
 */
import type { Clock } from "../core/clock.ts";
import { HERD_AHEAD_MS } from "../core/domain/staging.ts";
import type { BellHandler } from "../core/queue/transport.ts";
import type { Claim, ClaimedRun } from "../core/store/runs/claim.ts";
import { type EarlyRun, SWEEP_OVERDUE_MS } from "../core/store/runs/find-claimable.ts";
import { createAlarm } from "./alarm.ts";
import { GATHER_MS, wantsMoreSlots } from "./batch-in-backlog.ts";
import { CLAIM_BATCH, chooseServed, decideClaim, type NextClaim } from "./decide-claim.ts";
import { lockedWaitMs } from "./locked-wait.ts";
import type { Slots } from "./slots.ts";
import { createWaitingBells } from "./waiting-bells.ts";

/** What the intake needs of the store. */
export interface ClaimSource {
  claimRuns(runIds: string[]): Promise<ClaimedRun[]>;
  claimDueRuns(limit: number, overdueMs: number): Promise<Claim>;
  findEarlyRuns(runIds: string[]): Promise<EarlyRun[]>;
  msUntilNextQueued(): Promise<number | null>;
}

export interface IntakeParts {
  source: ClaimSource;
  slots: Slots;
  clock: Clock;
  /** False: whatever else is due, a bell is answered by the run it names. */
  bellsAreHints: boolean;
  start(run: ClaimedRun): void;
  onError(error: unknown): void;
}

export interface Intake extends BellHandler {
  /** Looks for runs that have been due for a while: their bell was lost, or its hearer is busy. */
  sweep(): void;
  /** Resolves when the claim that is under way now has begun what it found, or failed. */
  whenClaimed(): Promise<void>;
  /** More runs are due than there is room for, as far as is known. */
  hasBacklog(): boolean;
  /** No bells come now: until one does, the table is asked for the next instant too. */
  expectNoBells(): void;
  /** Refuses further bells; resolves when the claim under way is done. */
  close(): Promise<void>;
}

export class IntakeClosed extends Error {
  override name = "IntakeClosed";
}

/**
 * How far ahead timers are set: for early bells, as a scheduler that stops rings them, and for the next instant after a hint.
 * The rest is left to the sweep.
 */
const LOOK_AHEAD_MS = HERD_AHEAD_MS + 1_000;
/** Where a bell's run is gone, one that had to wait in its place may be left: this much later what is as old is taken. */
export const LEFT_OVER_MS = 100;

export function createIntake({ source, slots, clock, bellsAreHints, start, onError }: IntakeParts): Intake {
  const closed = new AbortController();
  const bells = createWaitingBells(clock, closed.signal, LOOK_AHEAD_MS, () => work());
  /** The least overdue age the table is searched for; null: no search is wanted. */
  let searchOverdueMs: number | null = null;
  /** The last search found all that it asked for. */
  let hasBacklog = false;
  /** Whether free slots wait for more of them: `over`, they have waited long enough. */
  let gathering: "no" | "under way" | "over" = "no";
  /** Bells that name their runs are heard: nobody need look for the next instant. */
  let hearsBells = false;
  /** Searches in a row that found nothing, though the next instant had passed: that run's row is locked. */
  let lockedSearches = 0;
  let working: Promise<void> | undefined;
  /** It goes on when this turn of the event loop is over. */
  let isWorkSet = false;
  let claiming: Promise<void> | undefined;
  const nextInstant = createAlarm(clock, closed.signal, () => search(0));
  const leftOver = createAlarm(clock, closed.signal, () => search(LEFT_OVER_MS));
  const gathered = createAlarm(clock, closed.signal, () => {
    if (gathering === "no") return;
    gathering = "over";
    work();
  });

  function begin(runs: ClaimedRun[]): void {
    slots.take(runs.length);
    for (const run of runs) start(run);
  }

  async function claimNamed(count: number): Promise<void> {
    const batch = bells.first(count);
    const ids = [...new Set(batch.map(({ runId }) => runId))];
    try {
      const claimed = await source.claimRuns(ids);
      begin(claimed);
      if (claimed.length === ids.length) return;
      const missed = ids.filter(notOf(claimed));
      const held = await holdQueued(missed);
      if (held < missed.length && bellsAreHints) leftOver.setBy(LEFT_OVER_MS);
    } finally {
      // After a failed claim too: the sweep finds these runs, a redelivered bell would only repeat the failure.
      bells.settle(batch);
    }
  }

  async function claimBest(count: number, overdueMs: number): Promise<void> {
    searchOverdueMs = null;
    let isFull = false;
    // Before the claim: what rings while it is under way may name a run that it did not see.
    const heard = bellsAreHints && overdueMs === 0 ? bells.first(CLAIM_BATCH) : [];
    let dealt = heard.slice(0, count);
    try {
      const { runs, found } = await source.claimDueRuns(count, overdueMs);
      begin(runs);
      if (found >= count) {
        dealt = chooseServed(heard, runs, found);
        // Bells that name their runs wait for one search of a sweep, not for a whole backlog of other runs.
        isFull = bellsAreHints;
        if (bellsAreHints) wantSearch(0);
        else if (bells.count() === 0) wantSearch(overdueMs);
        return;
      }
      // Nothing more is due: of the runs that were rung some may be early, the others are gone.
      dealt = heard;
      await holdQueued(heard.map(({ runId }) => runId).filter(notOf(runs)));
      if (overdueMs === 0 && !hearsBells) await awaitNextInstant(found);
    } finally {
      hasBacklog = isFull;
      bells.settle(dealt);
    }
  }

  /** `found`: how many the search before it found. */
  async function awaitNextInstant(found: number): Promise<void> {
    const waitMs = await source.msUntilNextQueued();
    if (found > 0 || waitMs !== 0) lockedSearches = 0;
    if (waitMs === null || waitMs > LOOK_AHEAD_MS) return;
    nextInstant.setBy(Math.max(waitMs, lockedWaitMs(lockedSearches)));
    if (waitMs === 0) lockedSearches += 1;
  }

  /** How many of the runs are still queued: they are early, or their rows are locked by another for a moment. */
  async function holdQueued(runIds: string[]): Promise<number> {
    if (runIds.length === 0) return 0;
    const queued = await source.findEarlyRuns([...new Set(runIds)]);
    for (const { id, waitMs } of queued) {
      if (waitMs > 0) bells.holdEarly(id, waitMs);
      else bells.holdLocked(id);
    }
    return queued.length;
  }

  function wantSearch(overdueMs: number): void {
    searchOverdueMs = Math.min(searchOverdueMs ?? overdueMs, overdueMs);
  }

  function search(overdueMs: number): void {
    if (closed.signal.aborted) return;
    wantSearch(overdueMs);
    work();
  }

  function nextClaim(): NextClaim | undefined {
    if (closed.signal.aborted) return undefined;
    const view = { bells: bells.count(), freeSlots: slots.free(), searchOverdueMs, bellsAreHints };
    const next = decideClaim(view);
    return next && !gathersSlots() ? next : undefined;
  }

  function gathersSlots(): boolean {
    const wantsMore = wantsMoreSlots({ slots: slots.total, freeSlots: slots.free(), hasBacklog });
    if (!wantsMore || gathering === "over") {
      gathering = "no";
      return false;
    }
    if (gathering === "no") gathered.setBy(GATHER_MS);
    gathering = "under way";
    return true;
  }

  function work(): void {
    if (working) return;
    const first = nextClaim();
    if (!first) return;
    working = loop(first).finally(() => {
      working = undefined;
      // What rang between the loop's last look and now.
      work();
    });
  }

  async function loop(first: NextClaim): Promise<void> {
    for (let next: NextClaim | undefined = first; next; next = nextClaim()) {
      try {
        claiming = next.from === "bells" ? claimNamed(next.count) : claimBest(next.count, next.overdueMs);
        await claiming;
      } catch (error) {
        onError(error);
      }
    }
  }

  /** In a backlog, runs that end in one turn of the event loop free their slots for one claim. */
  function workOnFree(): void {
    if (!hasBacklog) work();
    else if (!isWorkSet) {
      isWorkSet = true;
      setImmediate(workSet);
    }
  }

  function workSet(): void {
    isWorkSet = false;
    work();
  }

  slots.onFree(workOnFree);
  return {
    async onBells(rung) {
      if (closed.signal.aborted) throw new IntakeClosed("The worker is draining.");
      hearsBells = true;
      const dealt = bells.add(rung);
      work();
      await dealt;
      if (closed.signal.aborted) throw new IntakeClosed("The worker is draining.");
    },
    onHint: () => search(0),
    sweep() {
      // Where bells wait for a slot, the next one that is free serves what no bell of theirs may name.
      if (slots.free() > 0 || bells.count() > 0) search(SWEEP_OVERDUE_MS);
    },
    async whenClaimed() {
      // Whose loop it is reports the failure.
      await claiming?.catch(() => undefined);
    },
    hasBacklog: () => hasBacklog,
    expectNoBells() {
      hearsBells = false;
    },
    async close() {
      closed.abort();
      bells.settleAll();
      await working;
    },
  };
}

function notOf(runs: ClaimedRun[]): (runId: string) => boolean {
  const ids = new Set(runs.map(({ id }) => id));
  return (runId) => !ids.has(runId);
}
