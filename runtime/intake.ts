/**
 * From bells to claimed runs. One claim is under way at a time; what rings meanwhile joins the next one, so claims
 * grow into batches by themselves. States of a bell: early (a timer holds it) → pending → claiming → dealt with.
 * States of the intake: open → closed (bells are refused, the claim under way still counts).
 */
import type { Clock } from "../core/clock.ts";
import type { Bell, BellHandler } from "../core/queue/transport.ts";
import type { Claim, ClaimedRun } from "../core/store/runs/claim.ts";
import type { EarlyRun } from "../core/store/runs/find-claimable.ts";
import type { Slots } from "./slots.ts";

/** What the intake needs of the store. */
export interface ClaimSource {
  claimRuns(runIds: string[]): Promise<ClaimedRun[]>;
  claimDueRuns(limit: number, overdueMs: number): Promise<Claim>;
  findEarlyRuns(runIds: string[]): Promise<EarlyRun[]>;
  msUntilNextQueued(): Promise<number | null>;
}

export interface Intake extends BellHandler {
  /** Looks for runs that have been due for a while: their bell was lost, or its hearer is busy. */
  sweep(): void;
  /** Resolves when the claim that is under way now has begun what it found, or failed. */
  whenClaimed(): Promise<void>;
  /** No bells come now: until one does, the table is asked for the next instant too. */
  expectNoBells(): void;
  /** Refuses further bells; resolves when the claim under way is done. */
  close(): Promise<void>;
}

export class IntakeClosed extends Error {
  override name = "IntakeClosed";
}

const CLAIM_BATCH = 500;
/** A hint is followed by a look at the next instant; timers beyond this are left to the next hint or sweep. */
const LOOK_AHEAD_MS = 5_000;
/** A run is left to its bell's hearer this long before a sweep takes it. */
export const SWEEP_OVERDUE_MS = 1_000;

interface PendingBell extends Bell {
  settle(): void;
}

export function createIntake(
  source: ClaimSource,
  slots: Slots,
  clock: Clock,
  start: (run: ClaimedRun) => void,
  onError: (error: unknown) => void,
): Intake {
  const pending: PendingBell[] = [];
  const closed = new AbortController();
  /** The least overdue age the table is searched for; null: no search is wanted. */
  let searchOverdueMs: number | null = null;
  /** Bells that name their runs are heard: nobody need look for the next instant. */
  let hearsBells = false;
  let hintTimer: { firesAtMs: number; abort: AbortController } | undefined;
  let working: Promise<void> | undefined;
  let claiming: Promise<void> | undefined;

  function begin(runs: ClaimedRun[]): void {
    slots.take(runs.length);
    for (const run of runs) start(run);
  }

  async function claimPending(): Promise<void> {
    const batch = pending.splice(0, Math.min(slots.free(), CLAIM_BATCH));
    const ids = [...new Set(batch.map(({ runId }) => runId))];
    try {
      const claimed = await source.claimRuns(ids);
      begin(claimed);
      if (claimed.length < ids.length) await holdEarly(ids, claimed);
    } finally {
      // After a failed claim too: the sweep finds these runs, a redelivered bell would only repeat the failure.
      for (const bell of batch) bell.settle();
    }
  }

  async function holdEarly(ids: string[], claimed: ClaimedRun[]): Promise<void> {
    const taken = new Set(claimed.map(({ id }) => id));
    const early = await source.findEarlyRuns(ids.filter((id) => !taken.has(id)));
    for (const { id, availableAt, waitMs } of early) hold({ runId: id, availableAt }, waitMs);
  }

  /** At least a millisecond, so that nothing spins. */
  function hold(bell: Bell, waitMs: number): void {
    if (waitMs > LOOK_AHEAD_MS) return;
    void clock.sleep(Math.max(waitMs, 1), closed.signal).then(() => {
      if (closed.signal.aborted) return;
      pending.push({ ...bell, settle() {} });
      work();
    });
  }

  async function searchTable(): Promise<void> {
    const overdueMs = searchOverdueMs!;
    searchOverdueMs = null;
    const limit = Math.min(slots.free(), CLAIM_BATCH);
    const { runs, found } = await source.claimDueRuns(limit, overdueMs);
    begin(runs);
    if (found === limit) wantSearch(overdueMs);
    if (found === limit || overdueMs > 0 || hearsBells) return;
    const waitMs = await source.msUntilNextQueued();
    if (waitMs !== null && waitMs <= LOOK_AHEAD_MS) armHint(Math.max(waitMs, 1));
  }

  function wantSearch(overdueMs: number): void {
    searchOverdueMs = Math.min(searchOverdueMs ?? overdueMs, overdueMs);
  }

  function armHint(waitMs: number): void {
    const firesAtMs = clock.now().getTime() + waitMs;
    if (hintTimer && hintTimer.firesAtMs <= firesAtMs) return;
    hintTimer?.abort.abort();
    const mine = { firesAtMs, abort: new AbortController() };
    hintTimer = mine;
    void clock.sleep(waitMs, AbortSignal.any([mine.abort.signal, closed.signal])).then(() => {
      if (hintTimer !== mine) return;
      hintTimer = undefined;
      if (closed.signal.aborted) return;
      wantSearch(0);
      work();
    });
  }

  const canWork = () =>
    !closed.signal.aborted && (pending.length > 0 || searchOverdueMs !== null) && slots.free() > 0;

  function work(): void {
    if (working || !canWork()) return;
    working = loop().finally(() => {
      working = undefined;
      // What rang between the loop's last look and now.
      work();
    });
  }

  async function loop(): Promise<void> {
    while (canWork()) {
      try {
        claiming = pending.length > 0 ? claimPending() : searchTable();
        await claiming;
      } catch (error) {
        onError(error);
      }
    }
  }

  slots.onFree(work);
  return {
    async onBells(bells) {
      if (closed.signal.aborted) throw new IntakeClosed("The worker is draining.");
      hearsBells = true;
      const now = clock.now();
      const due = bells.filter(({ availableAt }) => availableAt <= now);
      for (const bell of bells) {
        if (bell.availableAt > now) hold(bell, bell.availableAt.getTime() - now.getTime());
      }
      const dealt = due.map((bell) => new Promise<void>((settle) => pending.push({ ...bell, settle })));
      work();
      await Promise.all(dealt);
      if (closed.signal.aborted) throw new IntakeClosed("The worker is draining.");
    },
    onHint() {
      if (closed.signal.aborted) return;
      wantSearch(0);
      work();
    },
    sweep() {
      if (closed.signal.aborted || slots.free() === 0) return;
      wantSearch(SWEEP_OVERDUE_MS);
      work();
    },
    async whenClaimed() {
      // Whose loop it is reports the failure.
      await claiming?.catch(() => undefined);
    },
    expectNoBells() {
      hearsBells = false;
    },
    async close() {
      closed.abort();
      for (const bell of pending.splice(0)) bell.settle();
      await working;
    },
  };
}
