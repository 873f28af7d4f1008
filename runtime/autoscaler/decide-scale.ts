/**
 * How many workers there should be. Pure: what was decided before comes in as `state` and goes out anew.
 *
 * States: zero (no worker, nothing waits) → calm ⇄ panic (more work than slots; nothing goes down) → zero, once there
 * was nothing to do for the grace. The rules, and where they differ from Knative's, stand in docs/scaling.md.
 */
import { type DemandReading, STABLE_WINDOW_MS } from "./demand-window.ts";

/** Workers are started so that this share of their slots is taken: the rest is room for what comes next. */
const TARGET_SHARE = 0.7;
/** Between two steps down, of which each takes at most half. */
export const STEP_DOWN_MS = 1_000;

export interface ScaleLimits {
  minWorkers: number;
  maxWorkers: number;
  /** The last worker goes when there was nothing to do for this long. */
  idleAfterMs: number;
}

/** Workers that take work or are about to, ours and those that others started, oldest first: they fill in this order. */
export interface FleetView {
  workers: { isOwn: boolean; slots: number }[];
  /** Of a worker that would be started here. */
  slots: number;
}

export interface ScaleState {
  /** When our workers last had, or were wanted for, anything. */
  busyAtMs: number;
  /** When there was last more work than slots; null: never. */
  panicAtMs: number | null;
  steppedDownAtMs: number;
}

export interface ScaleDecision {
  /** Of our own. */
  workers: number;
  mode: "zero" | "calm" | "panic";
  state: ScaleState;
}

export function startScaling(nowMs: number): ScaleState {
  return { busyAtMs: nowMs, panicAtMs: null, steppedDownAtMs: nowMs };
}

/** @param running runs that hold a slot now, of all workers */
export function decideScale(
  now: Date,
  reading: DemandReading & { running: number },
  fleet: FleetView,
  limits: ScaleLimits,
  before: ScaleState,
): ScaleDecision {
  const nowMs = now.getTime();
  const own = fleet.workers.filter(({ isOwn }) => isOwn).length;
  const wantedFor = (runs: number) => countOwnNeeded(runs, fleet, targetOf);
  const wantedNow = wantedFor(reading.latest);

  const state = { ...before };
  if (wantedNow > 0) state.busyAtMs = nowMs;
  const isIdle = wantedNow === 0 && nowMs - state.busyAtMs >= limits.idleAfterMs;
  if (isIdle) state.panicAtMs = null;
  else if (countOwnNeeded(reading.latest, fleet, slotsOf) > Math.max(own, 1)) state.panicAtMs = nowMs;
  const isPanic = state.panicAtMs !== null && nowMs - state.panicAtMs < STABLE_WINDOW_MS;

  let wanted = own === 0 ? wantedNow : wantedFor(Math.min(reading.latest, reading.recent));
  if (isPanic) wanted = Math.max(wanted, wantedNow, own);
  // Who is here stays while there was a need for them within the last minute; the last one, until the grace is over.
  const held = Math.max(wantedFor(Math.max(reading.busiest, reading.latest)), 1);
  if (!isIdle) wanted = Math.max(wanted, Math.min(own, held));
  wanted = Math.max(wanted, countOwnNeeded(reading.running, fleet, slotsOf));
  wanted = Math.min(Math.max(wanted, limits.minWorkers), limits.maxWorkers);

  const workers = wanted < own ? stepDown(nowMs, own, wanted, state) : wanted;
  const mode = isPanic ? "panic" : workers === 0 && own === 0 ? "zero" : "calm";
  return { workers, mode, state };
}

/** When a decision may change although no reading does: the grace ends. Null: not by time alone. */
export function msUntilIdle(now: Date, limits: ScaleLimits, state: ScaleState): number | null {
  const leftMs = state.busyAtMs + limits.idleAfterMs - now.getTime();
  return leftMs > 0 ? leftMs : null;
}

/** At most half at once; the last one goes alone. Marks the step in `state`. */
function stepDown(nowMs: number, own: number, wanted: number, state: ScaleState): number {
  if (nowMs - state.steppedDownAtMs < STEP_DOWN_MS) return own;
  state.steppedDownAtMs = nowMs;
  return own === 1 ? wanted : Math.max(wanted, Math.ceil(own / 2));
}

const slotsOf = (slots: number) => slots;
const targetOf = (slots: number) => Math.max(Math.floor(slots * TARGET_SHARE), 1);

/** The runs are dealt to the workers in order; those left over, to new ones of ours. */
function countOwnNeeded(runs: number, fleet: FleetView, takes: (slots: number) => number): number {
  let left = runs;
  let needed = 0;
  for (const { isOwn, slots } of fleet.workers) {
    if (left <= 0) break;
    left -= takes(slots);
    if (isOwn) needed += 1;
  }
  return needed + Math.ceil(Math.max(left, 0) / takes(fleet.slots));
}
