/**
 * Callers whose runs wait in the queue. The queue decides what a run waits for, such as a permit; the worker that
 * claims the run asks for its caller, which is then handed over.
 */
import type { HandOver, HeldCallers } from "./worker-link.ts";

export interface CallersInQueue extends HeldCallers {
  /** Whether a caller may be held now: each worker that may claim its run would ask for it. Undefined: not known yet. */
  mayHold(): Promise<boolean | undefined>;
  /** Until what this answers is called, a worker that asks for the run's caller is given `meet`. */
  hold(runId: string, meet: (hand: HandOver) => boolean): () => void;
}

export function createHeldCallers(apiId: string, mayHold: CallersInQueue["mayHold"]): CallersInQueue {
  const held = new Map<string, (hand: HandOver) => boolean>();
  return {
    apiId,
    mayHold,
    meet: (runId, hand) => held.get(runId)?.(hand) ?? false,
    hold(runId, meet) {
      held.set(runId, meet);
      return () => held.delete(runId);
    },
  };
}
