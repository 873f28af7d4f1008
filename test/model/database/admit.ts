/** As core/store/limits: permits under the locks of their limits, taken by claims, granted to who waits, given back. */
import { decideAdmission, decideStarts } from "../../../core/domain/admission.ts";
import { countFree } from "../../../core/domain/limit.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { type ClaimedRun, inTurn, isClaimable, start } from "./claim.ts";
import type { View } from "./database.ts";
import type { LimitRow, RunRow, TaskRow } from "./rows.ts";
import { type StagedRun, toStaged } from "./stage.ts";

export interface LimitedRun {
  id: string;
  keys: readonly string[];
}

type Standing = "claimable" | "waiting" | "granted" | null;

const standingOf = ({ state, waitingFor, waitingKey }: RunRow): Standing => {
  if (state !== "queued") return null;
  if (waitingFor === "concurrency") return "waiting";
  if (waitingFor !== null) return null;
  return waitingKey === null ? "claimable" : "granted";
};

export const isGranted = (run: RunRow) => standingOf(run) === "granted";

/** Those that hold their permits. */
export const holdsPermits = (run: RunRow) =>
  run.permits !== null && (run.state === "running" || isGranted(run));

function lockLimits(view: View, keys: readonly string[], isLocking: boolean): LimitRow[] {
  const sorted = [...new Set(keys)].sort();
  if (isLocking) for (const key of sorted) view.lock("limits", key);
  return sorted.flatMap((key) => view.get("limits", key) ?? []);
}

const toFree = (limits: LimitRow[]) =>
  new Map(limits.map((limit) => [limit.key, countFree({ ...limit, isPaused: false, bucket: null }, 0)]));

/** Starts as many of `asked` as there are permits for; the others wait. */
export function* admitRuns(world: World, workerId: string, asked: LimitedRun[]): Script<ClaimedRun[]> {
  const keys = asked.flatMap((run) => run.keys);
  const isLocking = !world.hasBug("admission-without-lock");
  return yield* inTransaction(world.database, "admit", function* (tx) {
    const limits = yield* ask("lock limits", (view) => lockLimits(view, keys, isLocking), tx);
    const seen = yield* ask("look at line", (view) => lookAtLine(view, asked, limits), tx);
    return yield* ask("admit runs", (view) => admit(view, workerId, asked, limits, seen), tx);
  });
}

interface Line {
  rows: (RunRow & { standing: Standing; isAsked: boolean })[];
  tasks: Map<string, TaskRow>;
}

function lookAtLine(view: View, asked: LimitedRun[], limits: LimitRow[]): Line {
  const ids = new Set(asked.map(({ id }) => id));
  const keys = new Set(limits.map(({ key }) => key));
  const rows = view
    .all("runs")
    .map((run) => ({ ...run, standing: standingOf(run), isAsked: ids.has(run.id) }))
    .filter(
      ({ standing, isAsked, ...run }) =>
        (isAsked && standing === "claimable" && isClaimable(run, view.nowMs)) ||
        ((standing === "waiting" || standing === "granted") && keys.has(run.waitingKey!)),
    )
    .sort(inTurn);
  return { rows, tasks: new Map(view.all("tasks").map((task) => [task.id, task])) };
}

function admit(
  view: View,
  workerId: string,
  asked: LimitedRun[],
  limits: LimitRow[],
  { rows, tasks }: Line,
): ClaimedRun[] {
  const free = toFree(limits);
  const decision = decideStarts({
    ...{ slots: asked.length, free },
    granted: rows.filter(({ standing }) => standing === "granted").map(({ id }) => id),
    // All have one priority here.
    yielding: [],
    line: rows
      .filter(({ standing }) => standing !== "granted")
      .map(({ id, limitKeys, isAsked }) => ({
        id,
        keys: limitKeys,
        priority: 50,
        isAsked,
        suitsWorker: true,
      })),
  });
  const seen = new Map(rows.map((row) => [row.id, row]));
  const started: ClaimedRun[] = [];
  const counts = new Map<string, number>();
  for (const { id, keys } of decision.start) {
    const run = asSeen(view, seen.get(id)!);
    if (!run || run.availableAtMs > view.nowMs) continue;
    const permits = keys.filter((key) => free.has(key));
    started.push(start(view, workerId, run, permits, tasks));
    for (const key of permits) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const id of decision.startGranted) {
    const run = asSeen(view, seen.get(id)!);
    if (run) started.push(start(view, workerId, run, run.permits, tasks));
  }
  const lines = new Set<string>();
  for (const { id, key } of decision.hold) {
    const run = asSeen(view, seen.get(id)!);
    if (!run) continue;
    view.put("runs", id, { ...run, waitingFor: "concurrency", waitingKey: key, permits: null });
    lines.add(key);
  }
  addHeld(view, limits, counts, lines);
  return started;
}

/** By what was seen under the lock: whoever counts without it writes down an old count. */
function addHeld(view: View, limits: LimitRow[], counts: Map<string, number>, lines: Set<string>): void {
  for (const { key } of limits) {
    const limit = view.get("limits", key)!;
    const permitsHeld = limit.permitsHeld + (counts.get(key) ?? 0);
    view.put("limits", key, { ...limit, permitsHeld, hasWaiting: limit.hasWaiting || lines.has(key) });
  }
}

/** The run as it stands, if it does as it was seen, and nobody has it. */
function asSeen(view: View, seen: RunRow): RunRow | undefined {
  const run = view.get("runs", seen.id);
  const isSame = run && standingOf(run) === standingOf(seen) && run.tuple === seen.tuple;
  return isSame && String(run.limitKeys) === String(seen.limitKeys) && view.tryLock("runs", run.id)
    ? run
    : undefined;
}

/** waiting → granted. What may be claimed from now on. */
export function* grantPermits(world: World, keys: readonly string[]): Script<StagedRun[]> {
  const isLocking = !world.hasBug("admission-without-lock");
  return yield* inTransaction(world.database, "grant", function* (tx) {
    const limits = yield* ask("lock limits", (view) => lockLimits(view, keys, isLocking), tx);
    return yield* ask("grant permits", (view) => grant(view, limits), tx);
  });
}

function grant(view: View, limits: LimitRow[]): StagedRun[] {
  const free = toFree(limits);
  const keys = new Set(limits.map(({ key }) => key));
  const line = view
    .all("runs")
    .filter(
      (run) =>
        standingOf(run) === "waiting" &&
        run.limitKeys.every((key) => keys.has(key) || !view.get("limits", key)),
    )
    .sort(inTurn);
  const { admitted } = decideAdmission(
    line.map(({ id, limitKeys }) => ({ id, keys: limitKeys })),
    free,
  );
  const granted: StagedRun[] = [];
  const counts = new Map<string, number>();
  for (const { id, keys: wanted } of admitted) {
    const run = asSeen(view, view.get("runs", id)!);
    if (!run) continue;
    const permits = wanted.filter((key) => free.has(key));
    const isFree = permits.length === 0;
    view.put("runs", id, {
      ...run,
      waitingFor: null,
      waitingKey: isFree ? null : run.waitingKey,
      permits: isFree ? null : permits,
    });
    for (const key of permits) counts.set(key, (counts.get(key) ?? 0) + 1);
    granted.push(toStaged(run));
  }
  for (const { key } of limits) {
    const limit = view.get("limits", key)!;
    const hasWaiting = view
      .all("runs")
      .some((run) => standingOf(run) === "waiting" && run.waitingKey === key);
    view.put("limits", key, {
      ...limit,
      permitsHeld: limit.permitsHeld + (counts.get(key) ?? 0),
      hasWaiting,
    });
  }
  return granted;
}

/** Keys that have permits left while runs wait for them. */
export function listGrantableKeys(view: View): string[] {
  const waiting = new Set<string>();
  for (const run of view.all("runs")) if (standingOf(run) === "waiting") waiting.add(run.waitingKey!);
  if (waiting.size === 0) return [];
  const free = toFree(view.all("limits"));
  return [...free.keys()].filter((key) => waiting.has(key) && free.get(key)! > 0);
}

export const findGrantableKeys = (): Script<string[]> => ask("find grantable keys", listGrantableKeys);

/** Part of the statement that ends runs: the keys of those permits that runs wait for. */
export function givePermitsBack(view: View, ended: readonly Pick<RunRow, "permits">[]): string[] {
  const keys = ended.flatMap((run) => run.permits ?? []).sort();
  for (const key of new Set(keys)) view.lock("limits", key);
  for (const key of keys) {
    const limit = view.get("limits", key);
    if (limit) view.put("limits", key, { ...limit, permitsHeld: Math.max(0, limit.permitsHeld - 1) });
  }
  return [...new Set(keys)].filter((key) => view.get("limits", key)?.hasWaiting);
}
