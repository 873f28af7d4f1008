/**
 * The database's doorbells. Sending is debounced: one NOTIFY per burst, after the commit it speaks of, because a
 * NOTIFY inside every inserting transaction serialises their commits. One is not sent here: a worker's coming is rung
 * with its row (workers.ts), for that comes seldom.
 */
import type { Clock } from "../clock.ts";
import type { Store } from "./database.ts";

export type Channel =
  /** A run is ready, or soon will be. */
  | "bellhop_runs"
  /** A task's next instant changed, or a retry waits. */
  | "bellhop_schedule"
  /** A running run should stop. Payload: run ids. */
  | "bellhop_cancel"
  /** A run somebody waits for has ended. Payload: run ids. */
  | "bellhop_finished"
  /** A run has failed for good: a scheduler at rest is to count it. */
  | "bellhop_failures"
  /** What calls of a function need was changed. Payload: function ids. */
  | "bellhop_functions"
  /** A queue was deleted. */
  | "bellhop_queues"
  /** A worker takes calls, or no more. */
  | "bellhop_workers"
  /**
   * A run was rung where bells do not pass through the database, or callers wait for a worker: an autoscaler at zero must
   * hear of it too. Payload: revisions that such callers call.
   */
  | "bellhop_demand"
  /** Sent by `bellhop.enqueue` in an application's transaction: an API is to look what it left. */
  | "bellhop_enqueued"
  /** A run waits for further calls, to an instant of its own. */
  | "bellhop_joins"
  /** A key or a namespace was changed. Payload: its id. */
  | "bellhop_keys";

/** After a bell the next one of its channel waits this long, and speaks for all that came meanwhile. */
const QUIET_MS: Partial<Record<Channel, number>> = { bellhop_demand: 100, bellhop_failures: 200 };
const quietMs = (channel: Channel) => QUIET_MS[channel] ?? 5;
/** Whose ids only help: whoever hears a bell does all that one without ids asks for. */
const WITH_HINTS: ReadonlySet<Channel> = new Set(["bellhop_demand"]);
/** A payload is at most 8,000 bytes; an id takes 37. */
const IDS_PER_PAYLOAD = 200;

export interface Notifier {
  /** Rings soon, for all where no ids are given; failures are reported, never thrown: a bell is never needed for truth. */
  notify(channel: Channel, ids?: string[]): void;
  /** Resolves once everything asked for was sent. */
  flush(): Promise<void>;
}

/** States per channel: quiet, or sending with `wanted` for what came meanwhile. */
export function createNotifier(
  store: Store,
  clock: Clock,
  onError: (error: unknown) => void,
  onSent: (channel: Channel) => void = () => {},
): Notifier {
  const pending = new Map<Channel, Set<string>>();
  /** Channels with a bell for all among the pending ones: ids beside it would say less. */
  const forAll = new Set<Channel>();
  const sending = new Map<Channel, Promise<void>>();

  async function drain(channel: Channel): Promise<void> {
    for (let ids = pending.get(channel); ids; ids = pending.get(channel)) {
      pending.delete(channel);
      try {
        const isForAll = forAll.delete(channel) && !WITH_HINTS.has(channel);
        const all = isForAll ? [] : [...ids];
        for (let from = 0; from === 0 || from < all.length; from += IDS_PER_PAYLOAD) {
          const payload = all.slice(from, from + IDS_PER_PAYLOAD).join(",");
          await store.pool.query({
            name: "notify",
            text: "SELECT pg_notify($1, $2)",
            values: [channel, payload],
          });
          onSent(channel);
        }
      } catch (error) {
        onError(error);
      }
      await clock.sleep(quietMs(channel));
    }
    // In the turn of the last look: a bell that comes right after it starts anew.
    sending.delete(channel);
  }

  return {
    notify(channel, ids) {
      const wanted = pending.get(channel) ?? new Set<string>();
      if (!ids) forAll.add(channel);
      for (const id of ids ?? []) wanted.add(id);
      pending.set(channel, wanted);
      if (!sending.has(channel)) sending.set(channel, drain(channel));
    },
    async flush() {
      await Promise.all(sending.values());
    },
  };
}
