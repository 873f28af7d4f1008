/** What becomes of the instants of a schedule that have passed before anybody could stage them. Pure. */
import { countSkipped, type FindNext, type SkippedInstants, type SkipReason } from "./skipped.ts";

/** `latest`: one run for all that was missed; `all`: a run each, one after another; `none`: no run. */
export const CATCH_UP_POLICIES = ["latest", "all", "none"] as const;

export interface CatchUp {
  policy: (typeof CATCH_UP_POLICIES)[number];
  /** What was missed longer ago is not made up for; null: however long ago. */
  windowMs: number | null;
  /** Of `all`: the newest so many. */
  max: number;
}

/** Of a task that names none. */
export const DEFAULT_CATCH_UP: CatchUp = { policy: "latest", windowMs: null, max: 1 };

/** An instant that is staged no later than this has not been missed: clocks differ, and a herd takes a while. */
export const MISSED_AFTER_MS = 10_000;

export interface DueDecision {
  /** The instants that become runs, oldest first. */
  fires: Date[];
  /** They are made up for, each once those before it have ended, whatever the task says of overlaps. */
  inTurn: boolean;
  /** Those before them, or all that have passed. */
  passedOver: SkippedInstants | undefined;
  /** The cursor from now on; null: no instant is left. */
  nextRunAt: Date | null;
}

/**
 * @param due the task's cursor; it may lie ahead of `now`, by as much as the scheduler stages ahead
 * @param reason why nobody staged what has passed
 */
export function decideDue(
  findNext: FindNext,
  due: Date,
  now: Date,
  catchUp: CatchUp | null,
  reason: SkipReason = "missed",
): DueDecision {
  const second = findNext(due);
  const isLate = now.getTime() - due.getTime() > MISSED_AFTER_MS;
  if (!isLate && (second === null || second > now))
    return { fires: [due], inTurn: false, passedOver: undefined, nextRunAt: second };
  const chosen = catchUp ?? DEFAULT_CATCH_UP;
  const fires = chooseInstants(findNext, due, now, chosen);
  const until = fires[0] ? new Date(fires[0].getTime() - 1) : now;
  return {
    fires,
    inTurn: chosen.policy === "all",
    passedOver: countSkipped(findNext, reason, due, until),
    nextRunAt: second === null || second > now ? second : findNext(now),
  };
}

function chooseInstants(
  findNext: FindNext,
  due: Date,
  now: Date,
  { policy, windowMs, max }: CatchUp,
): Date[] {
  const reachMs = policy === "none" ? MISSED_AFTER_MS : (windowMs ?? Number.POSITIVE_INFINITY);
  const newest = listNewest(findNext, due, now, policy === "all" ? max : 1);
  return newest.filter((at) => now.getTime() - at.getTime() <= reachMs);
}

/**
 * The last `most` instants from `first`, which is one, to `until`; all where they are fewer. Looked for by halves: what
 * lies before them may be far too much to walk through.
 */
export function listNewest(findNext: FindNext, first: Date, until: Date, most: number): Date[] {
  const all = listUpTo(findNext, first, until, most);
  if (all.length <= most) return all;
  // After `earlyMs` there are more than `most`, after `lateMs` fewer.
  let [earlyMs, lateMs] = [first.getTime(), until.getTime()];
  for (;;) {
    const middleMs = Math.floor((earlyMs + lateMs) / 2);
    const next = findNext(new Date(middleMs));
    const listed = next ? listUpTo(findNext, next, until, most) : [];
    if (listed.length === most || middleMs === earlyMs) return listed.slice(-most);
    if (listed.length > most) earlyMs = middleMs;
    else lateMs = middleMs;
  }
}

/** At most one more than `most`. */
function listUpTo(findNext: FindNext, first: Date, until: Date, most: number): Date[] {
  const listed: Date[] = [];
  for (let at: Date | null = first; at && at <= until && listed.length <= most; at = findNext(at))
    listed.push(at);
  return listed;
}
