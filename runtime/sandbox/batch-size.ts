/**
 * How many runs of a revision go to one isolate at a time. Handing a run over costs more than a short function takes,
 * so functions that are through at once get several in a row. One that waits for something gets its runs alone.
 */
export interface BatchSize {
  runs: number;
  /** So many more before the size may grow again. */
  holdRuns: number;
}

export interface FinishedBatch {
  runs: number;
  /** On a thread; not how long it took, which says more about how busy the machine is. */
  ranMs: number;
  /** Whether one of them waited for something. */
  waited: boolean;
}

export const FIRST_BATCH_SIZE: BatchSize = { runs: 1, holdRuns: 0 };

/** Longer runs gain nothing from a batch: the last of them would wait where another isolate might be free. */
const MAX_RUN_MS = 1;
/** Nor should the last of many short ones wait for long. */
const MAX_BATCH_MS = 8;
/** How long runs wait for others to share their batch, at most. */
export const GATHER_MS = 10;
const HOLD_RUNS = 200;

export function decideBatchSize(size: BatchSize, finished: FinishedBatch, maxRuns: number): BatchSize {
  if (finished.waited) return { runs: 1, holdRuns: HOLD_RUNS };
  const isLong = finished.ranMs > Math.min(MAX_RUN_MS * finished.runs, MAX_BATCH_MS);
  if (isLong) return { ...size, runs: Math.max(1, size.runs >> 1) };
  if (size.holdRuns > 0) return { ...size, holdRuns: Math.max(0, size.holdRuns - finished.runs) };
  if (finished.runs < size.runs || finished.ranMs * 2 > MAX_BATCH_MS) return size;
  return { runs: Math.min(maxRuns, size.runs * 2), holdRuns: 0 };
}

/** Batches of one short function that are under way before the next runs wait until they fill one. */
const MAX_PARTIAL_BATCHES = 2;

/** Whether to begin a batch now, or to let more runs gather: `oldestMs` is the age of the oldest batch under way. */
export function shouldBegin(
  size: BatchSize,
  batches: number,
  oldestMs: number,
  waitingRuns: number,
): boolean {
  if (size.runs === 1 || waitingRuns >= size.runs) return true;
  return batches < MAX_PARTIAL_BATCHES || oldestMs > GATHER_MS;
}
