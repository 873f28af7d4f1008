/**
 * Compares the runs that a worker executes with those that the table assigns to it. It settles runs that only one of
 * the two knows: active runs that now belong to another worker are stopped, and assigned runs that nobody here knows
 * are given back.
 */
import { endLostRun } from "../core/store/runs/lost-call.ts";
import { listOwnedRuns, type OwnedRun } from "../core/store/runs/owned.ts";
import { createForgottenRuns } from "./forgotten-runs.ts";
import { type GiverParts, giveBack } from "./give-back.ts";
import type { RunningAttempts } from "./running-attempts.ts";

export interface OwnedRunsParts extends GiverParts {
  leaseMs: number;
  running: RunningAttempts;
  /** A direct run that is written, or about to be, and not begun. */
  isReserved(runId: string): boolean;
  /** Resolves when such a run has begun, or never will. */
  whenReservedBegun(runId: string): Promise<void>;
  /** Resolves when the claims that are under way now have begun what they found, or failed. */
  whenClaimed(): Promise<void>;
}

export interface OwnedRuns {
  /** Settles what does not agree, and stops what was asked to stop. */
  settle(): Promise<void>;
  /** Stops those of the runs that this worker is at, or is about to begin. */
  cancel(runIds: string[]): void;
  /** Looks for cancels alone, where a bell may be missing. Never rejects: the next `settle` finds the rest. */
  findCancels(): Promise<void>;
  /** Resolves when nothing is being given back. */
  flush(): Promise<void>;
}

export function createOwnedRuns(parts: OwnedRunsParts): OwnedRuns {
  const { store, facts, log, running, leaseMs } = parts;
  let findingCancels: Promise<void> | undefined;
  const forgotten = createForgottenRuns<OwnedRun>({
    isKnown: (run) => running.find(run) !== undefined || parts.isReserved(run.id),
    whenClaimed: parts.whenClaimed,
    giveBack: settleForgotten,
    onError: (error) => log.warn({ error }, "forgotten runs were not given back; tried again soon"),
  });

  async function look(): Promise<OwnedRun[]> {
    const known = running.listKnown();
    const owned = await listOwnedRuns(store, facts.id, leaseMs);
    const lost = running.stopLost(known, owned);
    if (lost > 0) log.warn({ runs: lost }, "stopped runs that are not this worker's any more");
    running.cancel(owned.filter(({ cancelRequested }) => cancelRequested).map(({ id }) => id));
    return owned;
  }

  /** Those that were never queued end, and so do those that nobody wants any more; others are another worker's to start. */
  async function settleForgotten(runs: OwnedRun[]): Promise<void> {
    const ends = ({ isDirect, cancelRequested }: OwnedRun) => isDirect || cancelRequested;
    for (const run of runs.filter(ends)) parts.ends.tell(await endLostRun(store, facts.id, run));
    await giveBack(
      runs.filter((run) => !ends(run)),
      parts,
    );
  }

  /** The table may have said that a run is this worker's before the worker hears so. */
  async function cancelOnceBegun(runId: string): Promise<void> {
    await Promise.all([parts.whenClaimed(), parts.whenReservedBegun(runId)]);
    running.cancel([runId]);
  }

  return {
    cancel(runIds) {
      for (const runId of runIds) {
        if (running.has(runId)) running.cancel([runId]);
        else void cancelOnceBegun(runId);
      }
    },
    async settle() {
      const owned = await look();
      forgotten.suspect(owned.filter(({ isOld }) => isOld));
    },
    async findCancels() {
      if (running.all().length === 0) return;
      findingCancels ??= look().then(
        () => {},
        () => {},
      );
      await findingCancels;
      findingCancels = undefined;
    },
    flush: forgotten.flush,
  };
}
