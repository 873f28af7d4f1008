/**
 * What follows when runs end: a list of consumers that hear of every end, whoever brought it about. An occurrence that is
 * skipped has none: nothing of it ran, and nobody waits for it.
 */
import type { EndedRun, EndState } from "../store/runs/end.ts";

/**
 * What one consumer does with runs that ended together, by what became of them. It is told after the commit and at most
 * once: what must never be missed is written by the statement that ends the run (core/store/runs/end.ts, and for workers finish-statements.ts).
 */
export interface EndConsumer {
  name: string;
  final: Consume<"succeeded" | "failed" | "cancelled" | "expired">;
  /** Dead letters. */
  dead: Consume<"dead">;
  /** Their next attempts wait. */
  scheduled: Consume<"scheduled">;
  /** Queued anew: the attempt does not count. */
  givenBack: Consume<"queued">;
  /** Resolves when what was begun is done. */
  flush?(): Promise<void>;
}

/** Null: nothing. */
type Consume<S extends EndState> = ((runs: EndedRun<S>[]) => void) | null;

export interface RunEnds {
  /** Never throws: a consumer that fails keeps no other from its work. */
  tell(runs: EndedRun[]): void;
  flush(): Promise<void>;
}

const FATES = {
  succeeded: "final",
  failed: "final",
  cancelled: "final",
  expired: "final",
  dead: "dead",
  scheduled: "scheduled",
  queued: "givenBack",
} as const satisfies Record<EndState, keyof EndConsumer>;

export function createRunEnds(
  consumers: EndConsumer[],
  onError: (error: unknown, consumer: string) => void,
): RunEnds {
  return {
    tell(runs) {
      const byFate = Map.groupBy(runs, ({ state }) => FATES[state]);
      for (const [fate, ended] of byFate) {
        for (const consumer of consumers) {
          try {
            consumer[fate]?.(ended as never);
          } catch (error) {
            onError(error, consumer.name);
          }
        }
      }
    },
    async flush() {
      await Promise.all(consumers.map((consumer) => consumer.flush?.()));
    },
  };
}
