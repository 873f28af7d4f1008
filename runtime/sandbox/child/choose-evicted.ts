/** Which warm isolates go where they hold more memory than they may. */
import { type UseScore, usesAt } from "./use-score.ts";

/** An isolate that waits for its next run. */
export interface Idle {
  /** How often it was wanted; of one that has had only its first batch, how often those before it were. */
  score: UseScore;
  /** How long it takes to put another one in its place. */
  costMs: number;
  bytes: number;
}

/** What keeping it saves in the time to come, for each byte that it holds. */
function savingOf({ score, costMs, bytes }: Idle, now: number): number {
  return (usesAt(score, now) * costMs) / Math.max(bytes, 1);
}

/**
 * Those that have to go so that `excessBytes` come free: the least valuable first, and of equals the one that came to
 * rest last. It has not earned its place yet: were it the oldest, a round of more functions than there is room for
 * would take out each just before its turn. The latest are on trial and go last, as far as they hold no more than
 * `trialBytes`: what has just begun to be called comes by its score here.
 *
 * @param idle in the order in which they came to rest
 */
export function chooseEvicted<I extends Idle>(
  idle: readonly I[],
  excessBytes: number,
  trialBytes: number,
  now: number,
): I[] {
  if (excessBytes <= 0) return [];
  const judged = idle.slice(0, idle.length - countOnTrial(idle, trialBytes));
  const values = judged.map((each) => savingOf(each, now));
  const evicted: I[] = [];
  let leftBytes = excessBytes;
  while (leftBytes > 0 && evicted.length < judged.length) {
    const at = indexOfLeast(values);
    values[at] = Number.POSITIVE_INFINITY;
    evicted.push(judged[at]!);
    leftBytes -= judged[at]!.bytes;
  }
  for (const each of idle.slice(judged.length)) {
    if (leftBytes <= 0) break;
    evicted.push(each);
    leftBytes -= each.bytes;
  }
  return evicted;
}

/** At least the latest one. */
function countOnTrial(idle: readonly Idle[], trialBytes: number): number {
  let count = 0;
  let bytes = 0;
  while (count < idle.length) {
    bytes += idle[idle.length - 1 - count]!.bytes;
    if (count > 0 && bytes > trialBytes) break;
    count++;
  }
  return count;
}

/** The last of equals. */
function indexOfLeast(values: readonly number[]): number {
  let least = values.length - 1;
  for (let at = least - 1; at >= 0; at--) if (values[at]! < values[least]!) least = at;
  return least;
}
