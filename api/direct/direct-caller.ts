/**
 * Hands a call to a ready worker. A worker that refuses has done nothing, so the next one is asked; a worker that has
 * taken the call keeps it, whatever happens to it.
 */
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import { type DirectCall, type DirectOutcome, NO_PERMIT } from "../../core/contracts/direct-call.ts";
import type { WorkerDirectory } from "./worker-directory.ts";
import type { LinkEvents, WorkerLink } from "./worker-link.ts";

export interface CallEvents extends Omit<LinkEvents, "onRefused" | "onLost"> {
  /** How to speak to the worker that has it, for now; the body may come once it has accepted. */
  onFeed(feed: CallerStream): void;
  /** Nobody takes it; nothing more is said. */
  onNone(why: NoneReason): void;
  /** Whether its caller has left: it need not be offered again. */
  isGone?(): boolean;
  /**
   * The call as it would be made now, or why no worker is to have it any more: asked before it is offered again, since
   * whoever has waited may not call by then. "later": that cannot be told now, and it waits on. Without it, it stays as
   * it was. Never rejects.
   */
  renew?(): Promise<DirectCall | NoneReason | "later">;
  /** How many calls of its function run at once; undefined: as many as come. Workers for more would not help it. */
  mostAtOnce?(): number | undefined;
  /** The last word: its worker is lost, and this is how the run is recorded. */
  onLost(outcome: DirectOutcome): void;
}

/**
 * Why nobody takes a call. `no_worker`: none stands that takes calls; `queue_only`: those that stand get their work by the
 * queue alone, or this call has to; `no_permit`: it is the function that has none left; `left`: its caller left while it
 * waited; `refused`: its caller may not call any more.
 */
export type NoneReason = "no_worker" | "queue_only" | "no_permit" | "busy" | "left" | "refused";

export interface DirectCaller {
  begin(call: DirectCall, events: CallEvents): void;
}

/**
 * More would only add to the wait. The last one is for any worker with room: those that come next for a revision may all
 * be full of other APIs' calls, of which this one knows nothing.
 */
const MAX_TRIES = 3;

/** @param settle ends the run of a call whose worker is lost; never rejects */
export function createDirectCaller(
  directory: Pick<WorkerDirectory, "choose" | "chooseEmptiest" | "isFull" | "isQueueOnly" | "avoid">,
  settle: (call: DirectCall, workerId: string) => Promise<DirectOutcome>,
): DirectCaller {
  return {
    begin(call, events) {
      const tried = new Set<WorkerLink>();
      let isBusy = false;
      const choose = () =>
        tried.size < MAX_TRIES - 1
          ? directory.choose(call.revisionId, tried)
          : directory.chooseEmptiest(call, tried);
      const tryNext = () => {
        const isWanted = tried.size < MAX_TRIES && events.isGone?.() !== true;
        const link = isWanted ? choose() : undefined;
        if (!link) {
          if (isBusy || directory.isFull()) events.onNone("busy");
          else events.onNone(directory.isQueueOnly() ? "queue_only" : "no_worker");
          return;
        }
        tried.add(link);
        const feed = link.call(call, {
          ...events,
          onRefused(reason) {
            if (reason === "draining") directory.avoid(link);
            else isBusy = true;
            // Room is the function's, not the worker's.
            if (reason === NO_PERMIT) events.onNone("no_permit");
            else tryNext();
          },
          onLost: () => void settle(call, link.worker.id).then(events.onLost),
        });
        events.onFeed(feed);
      };
      tryNext();
    },
  };
}
