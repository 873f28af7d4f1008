/** What becomes of tasks that are due: which instants fire, what holds their runs, and when the next one comes. */
import { type CatchUp, type DueDecision, decideDue } from "../../domain/catch-up.ts";
import type { Expectation } from "../../domain/expectation.ts";
import type { Overlap } from "../../domain/overlap.ts";
import { excludesInstants } from "../../domain/schedule/exclusions.ts";
import { doesRepeat, type Schedule } from "../../domain/schedule/schedule.ts";
import type { FindNext, SkippedInstants } from "../../domain/skipped.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { messageOf } from "../../errors.ts";
import { toNominal } from "../tasks/cursor.ts";
import {
  createFindNext,
  findExcludedUntil,
  type TaskExclusion,
  type TaskExclusions,
} from "../tasks/exclusions.ts";
import type { Taken } from "./take-due.ts";

/** What holds a run that is staged; undefined: nothing. As `INSERT_STAGED_HELD` has it. */
export type Hold = "turn" | "open" | undefined;

/** Of `DUE_COLUMNS`. */
export interface DueTask extends Taken {
  id: string;
  type: TaskType;
  schedule: Schedule;
  anchor_at: Date;
  next_run_at: Date;
  traceparent: string | null;
  jitter_offset_ms: number | null;
  runs_left: number | null;
  overlap: Overlap | null;
  catch_up: CatchUp | null;
  expect: Expectation | null;
}

export const DUE_COLUMNS = `id, type, schedule, anchor_at, next_run_at, traceparent, jitter_offset_ms, runs_left,
  policy ->> 'overlap' AS overlap, policy -> 'catchUp' AS catch_up, policy -> 'expect' AS expect`;

/** What becomes of a task, besides its runs: instants are nominal. */
interface Decision extends DueDecision {
  /** Of a task that excludes instants: those that come before what was decided, and until when that is told of. */
  excluded?: SkippedInstants | undefined;
  settledUntil?: Date;
  /** The next instant could not be found: it is looked for again from here on (tasks/seek-instants.ts). */
  seek?: { from: Date; error: string };
  /** Of a task that may only have so many runs, these its last: how it goes on should one of them not come to be. */
  unlessLast?: Pick<Decision, "nextRunAt" | "seek">;
}

export type DecidedTask = Decision & { task: DueTask };

/** A transaction that idles for 5 s is cut off: after an outage, finding what was missed by slow rules may take longer. */
const DECIDE_MS = 1_000;

/** The first always; those that come too late stay due, and are the next pass's. */
function mapWithin<From, To>(ms: number, items: From[], map: (item: From) => To): To[] {
  const untilMs = performance.now() + ms;
  const mapped: To[] = [];
  for (const item of items) {
    mapped.push(map(item));
    if (performance.now() >= untilMs) break;
  }
  return mapped;
}

/** Tasks that share a cron schedule and an instant share the answer: for a midnight herd it is found once. */
export function decideAll(due: DueTask[], now: Date, exclusions: TaskExclusions): DecidedTask[] {
  const known = new Map<string, Decision>();
  return mapWithin(DECIDE_MS, due, (task) => {
    const { schedule, next_run_at, jitter_offset_ms, runs_left, catch_up } = task;
    const exclusion = exclusions.get(task.id);
    if (schedule.kind !== "cron" || jitter_offset_ms !== null || runs_left !== null)
      return { task, ...decide(task, exclusion, now) };
    const question = [
      ...[JSON.stringify(schedule), next_run_at.getTime(), JSON.stringify(catch_up)],
      ...(exclusion ? [exclusion.contentId, exclusion.settledUntil?.getTime()] : []),
    ].join("\n");
    const decision = known.get(question) ?? decide(task, exclusion, now);
    known.set(question, decision);
    return { task, ...decision };
  });
}

/** A task with jitter goes by clocks that are slow by its offset. */
function decide(task: DueTask, exclusion: TaskExclusion | undefined, now: Date): Decision {
  const { schedule, anchor_at, next_run_at, jitter_offset_ms, runs_left, catch_up } = task;
  const due = toNominal(next_run_at, jitter_offset_ms)!;
  const nominalNow = toNominal(now, jitter_offset_ms)!;
  const findNext = createFindNext(schedule, anchor_at, exclusion);
  const decided = tryToDecide(findNext, due, nominalNow, catch_up);
  const decision = withinRunsLeft(decided, runs_left);
  if (!excludesInstants(schedule)) return decision;
  const settledUntil = decision.fires.at(-1) ?? nominalNow;
  const excluded = findExcludedUntil(schedule, anchor_at, exclusion, settledUntil);
  return { ...decision, excluded, settledUntil };
}

function withinRunsLeft(decided: Decision, runsLeft: number | null): Decision {
  if (runsLeft === null || decided.fires.length < runsLeft) return decided;
  const { seek, ...last } = decided;
  const fires = decided.fires.slice(0, runsLeft);
  // Instants that have passed and are too many now are due again, at once.
  const nextRunAt = decided.fires[runsLeft] ?? decided.nextRunAt;
  return { ...last, fires, nextRunAt: null, unlessLast: { nextRunAt, ...(seek && { seek }) } };
}

/** Only runs that were not skipped count towards the last. */
export function goOnAfterRefusal(decided: DecidedTask): void {
  Object.assign(decided, decided.unlessLast);
}

/** The instant that is due was found before: it fires, whatever becomes of the next. */
function tryToDecide(findNext: FindNext, due: Date, now: Date, catchUp: CatchUp | null): Decision {
  try {
    return decideDue(findNext, due, now, catchUp);
  } catch (error) {
    const seek = { from: due > now ? due : now, error: messageOf(error) };
    return { fires: [due], inTurn: false, passedOver: undefined, nextRunAt: null, seek };
  }
}

export function decideHold({ task, inTurn }: DecidedTask): Hold {
  if (!doesRepeat(task.schedule)) return undefined;
  if (inTurn) return "turn";
  return (task.overlap ?? "allow") === "allow" ? undefined : "open";
}
