/** Systems that do the same work, in turns, so that an hour in which the machine is slow is slow for all. */
import type { Costs } from "./costs.ts";

export interface Figures {
  /** Items a second. */
  perSecond?: number;
  p50Ms?: number;
  p99Ms?: number;
  /** Of one core, in percent. */
  processorShare?: number;
  /** Of calls, in percent: those that met an isolate of their function. */
  warmShare?: number;
  /** Of the processes that execute, proportional. */
  executingMb?: number;
}
export type FigureName = keyof Figures;

export interface Measured {
  figures: Figures;
  costs?: Costs;
}

/** One system with one piece of work. */
export interface Entrant {
  work: string;
  system: string;
  /** Throws where not all was done, or not rightly. */
  measure(items: number): Promise<Measured>;
}

export interface Result {
  work: string;
  system: string;
  /** One of each round. */
  samples: Measured[];
}

/**
 * As many items before the first round, of each system: V8 compiles what is often run in the background, for some ten
 * thousand items long, and until then they cost several times as much. Who is bought for a herd has been up for days.
 */
export const WARM_UP_ROUNDS = 2;

export interface RoundsPlan {
  rounds: number;
  items: number;
  /** Of a round that is not counted; 0: none. */
  warmUpItems: number;
}

/** The order turns round with each round, so that nobody always comes after the same other. */
export async function runRounds(
  entrants: Entrant[],
  { rounds, items, warmUpItems }: RoundsPlan,
  tell: (line: string) => void,
): Promise<Result[]> {
  const results = entrants.map(({ work, system }): Result => ({ work, system, samples: [] }));
  for (let round = warmUpItems > 0 ? 0 : 1; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? entrants.keys() : [...entrants.keys()].toReversed();
    for (const index of order) {
      const { work, system, measure } = entrants[index]!;
      const measured = await measure(round === 0 ? warmUpItems : items).catch((error: Error) => {
        throw new Error(`${work}, ${system}: ${error.message}`, { cause: error });
      });
      tell(
        `${round === 0 ? "warm-up" : `round ${round}`}: ${work}, ${system}: ${describe(measured.figures)}`,
      );
      if (round > 0) results[index]!.samples.push(measured);
    }
  }
  return results;
}

const describe = (figures: Figures) =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toFixed(value < 10 ? 2 : 0)}`)
    .join(", ");
