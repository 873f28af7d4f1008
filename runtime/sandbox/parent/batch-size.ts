import { availableParallelism } from "node:os";

/**
 * How many runs of a revision go to one isolate at a time. Handing a run over costs more than a short function takes,
 * so functions that are through at once get several in a row. One that waits for something gets its runs alone.
 */
export interface BatchSize {
  runs: number;
  /** So many more before the size may grow again. */
  holdRuns: number;
  /** Whether runs keep a thread from their beginning to their end, as far as the last ones tell. */
  isBound: boolean;
  /** How long batches take of late, by the clock; undefined: none has ended. */
  tookMs?: number;
}

export interface FinishedBatch {
  runs: number;
  /** On a thread; not how long it took, which says more about how busy the machine is. */
  ranMs: number;
  /** By the clock. */
  tookMs: number;
  /** Whether one of them waited for something. */
  waited: boolean;
}

export const FIRST_BATCH_SIZE: BatchSize = { runs: 1, holdRuns: 0, isBound: false };

/** Longer runs gain nothing from a batch: the last of them would wait where another isolate might be free. */
const MAX_RUN_MS = 1;
/** Nor should the last of many short ones wait for long. */
const MAX_BATCH_MS = 8;
/** How long the next runs of a function that keeps its threads wait before one more batch of it begins. */
export const GATHER_MS = { least: 10, most: 50 };
/** How much the last batch says of how long batches take. */
const NEWEST_SHARE = 1 / 4;
const HOLD_RUNS = 200;

export function decideBatchSize(size: BatchSize, finished: FinishedBatch, maxRuns: number): BatchSize {
  if (finished.waited) return { runs: 1, holdRuns: HOLD_RUNS, isBound: false };
  const { tookMs = finished.tookMs } = size;
  const newTookMs = tookMs + (finished.tookMs - tookMs) * NEWEST_SHARE;
  return resize({ ...size, isBound: size.holdRuns === 0, tookMs: newTookMs }, finished, maxRuns);
}

function resize(size: BatchSize, finished: FinishedBatch, maxRuns: number): BatchSize {
  const isLong = finished.ranMs > Math.min(MAX_RUN_MS * finished.runs, MAX_BATCH_MS);
  if (isLong) return { ...size, runs: Math.max(1, size.runs >> 1) };
  if (size.holdRuns > 0) return { ...size, holdRuns: Math.max(0, size.holdRuns - finished.runs) };
  if (finished.runs < size.runs || finished.ranMs * 2 > MAX_BATCH_MS) return size;
  return { ...size, runs: Math.min(maxRuns, size.runs * 2) };
}

/**
 * Batches of a function that keeps its threads: with more than there are processors, each isolate waits for the others
 * and meets the code cold. Two where there is one processor: the next one is at hand when one ends.
 */
export const MAX_BOUND_BATCHES = Math.max(availableParallelism(), 2);
/** Where they would not be full: the next runs wait until they fill one. */
const MAX_PARTIAL_BATCHES = 2;

/**
 * Whether to begin a batch now, or to let more runs gather: `oldestMs` is the age of the oldest batch under way. While
 * it lasts, one more may begin each `gatherMsOf` the function: it may wait for something after all, and others wait behind
 * this one.
 */
export function shouldBegin(
  size: BatchSize,
  batches: number,
  oldestMs: number,
  waitingRuns: number,
): boolean {
  // Of a function of which nothing is known yet, too: each batch would have an isolate made, and most keep their threads.
  if (!size.isBound && !isUnknown(size)) return true;
  const most = waitingRuns >= size.runs ? MAX_BOUND_BATCHES : MAX_PARTIAL_BATCHES;
  return batches < most + Math.floor(oldestMs / gatherMsOf(size));
}

const isUnknown = ({ holdRuns, tookMs }: BatchSize) => holdRuns === 0 && tookMs === undefined;

/**
 * Twice what its batches take: on a busy machine they take long without waiting for anything, and one more on a thread of
 * its own makes each of them slower.
 */
export function gatherMsOf({ tookMs = 0 }: BatchSize): number {
  return Math.min(Math.max(2 * tookMs, GATHER_MS.least), GATHER_MS.most);
}
