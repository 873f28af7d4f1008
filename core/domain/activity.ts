/** What went on over time, in slices that begin at multiples of their length since 1970. Pure. */
const MINUTE_MS = 60_000;
/** What is counted is counted by the minute. */
const STEPS_MS = [1, 5, 15].map((minutes) => minutes * MINUTE_MS);
const MAX_SLICES = 120;

export const MIN_ACTIVITY_MS = MINUTE_MS;
/** As long as it is kept. */
export const MAX_ACTIVITY_MS = 86_400_000;

export interface ActivitySpan {
  from: Date;
  stepMs: number;
  slices: number;
}

/** The finest steps that make no more than `MAX_SLICES` of it; the last one has the present in it. */
export function divideSpan(now: Date, withinMs: number): ActivitySpan {
  const stepMs = STEPS_MS.find((ms) => withinMs <= ms * MAX_SLICES) ?? STEPS_MS.at(-1)!;
  const slices = Math.ceil(withinMs / stepMs);
  const last = Math.floor(now.getTime() / stepMs);
  return { from: new Date((last - slices + 1) * stepMs), stepMs, slices };
}

export interface WorkerActivity {
  workers: number;
  slots: number;
  busy: number;
}

export interface ActivitySlice {
  at: Date;
  succeeded: number;
  failed: number;
  other: number;
  /** Runs that began, and how long they waited beyond their instants. */
  started: number;
  lateMs: number;
  latestMs: number;
  /** The highest of its samples. */
  waiting: number;
  running: number;
  /** Undefined: nobody counted. */
  workers: WorkerActivity | undefined;
}
