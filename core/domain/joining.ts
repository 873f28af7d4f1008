/** Calls that become one run: by `debounce` the last of them counts, by `collect` all do. Times in milliseconds. */

export interface Debounce {
  /** Calls with the same one become one run. */
  key: string;
  /** After the last call. */
  waitMs: number;
  /** After the first call, at most; left out: ten times the wait. */
  maxMs?: number | undefined;
}

export interface Collect {
  /** Inputs of a run, at most. */
  size: number;
  /** After the first call. */
  waitMs: number;
}

/** How long a run may wait for calls to join it. */
export const MAX_JOIN_WAIT_MS = 7 * 86_400_000;
/** Inputs of one run. */
export const MAX_COLLECTED = 1_000;
/** All inputs of one run together, as JSON: as much as a request may hold. */
export const MAX_COLLECTED_BYTES = 2_000_000;
const DEFAULT_MAX_WAITS = 10;

/** When a run is due whose first call came at `openedAt`, and whose last one comes now. */
export function decideDebounced(openedAt: Date, now: Date, { waitMs, maxMs }: Debounce): Date {
  const longestMs = maxMs ?? Math.min(waitMs * DEFAULT_MAX_WAITS, MAX_JOIN_WAIT_MS);
  const dueMs = Math.min(now.getTime() + waitMs, openedAt.getTime() + longestMs);
  return new Date(Math.max(dueMs, now.getTime()));
}

/** What a run holds of inputs. */
export interface Held {
  count: number;
  /** Of their JSON, a comma for each. */
  bytes: number;
}

export interface CollectedRun extends Held {
  /** It takes no more: it has its size, or the next input would be too much. */
  isFull: boolean;
}

/**
 * Inputs of `bytes` each, one after another: how many of them join the run that is open, which comes first where there
 * is one, and those that follow it. An input that is too long by itself has a run to itself.
 */
export function packInputs(open: Held | undefined, bytes: readonly number[], size: number): CollectedRun[] {
  const runs: CollectedRun[] = [{ count: 0, bytes: 0, ...open, isFull: false }];
  for (const more of bytes) {
    let run = runs.at(-1)!;
    const isTooMuch = run.count > 0 && run.bytes + more > MAX_COLLECTED_BYTES;
    if (isTooMuch || run.count >= size) {
      run.isFull = true;
      run = { count: 0, bytes: 0, isFull: false };
      runs.push(run);
    }
    run.count += 1;
    run.bytes += more;
    run.isFull = run.count >= size;
  }
  return runs;
}
