/** A call joins the run that is open at its place, or opens one. Each is part of a transaction that holds the place. */
import {
  type Collect,
  type CollectedRun,
  type Debounce,
  decideDebounced,
  packInputs,
} from "../../domain/joining.ts";
import { newId } from "../ids.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import type { Transaction } from "../transaction.ts";
import { type JoinableRun, type JoinPlace, lockPlace, savePlace } from "./joinable-runs.ts";

/** What became of a call. */
export interface JoinedCall {
  runId: string;
  /** The run was there: this call joined it. */
  joined: boolean;
}

export interface Joined {
  /** In the order of the calls. */
  calls: JoinedCall[];
  /** Nothing waits for further calls any more: to be rung. */
  due: StagedRun[];
  /** An instant is new, or sooner than it was: whoever closes runs is to know. */
  hasNewInstant: boolean;
}

interface CalledRuns<Call> {
  /**
   * Locks what is called, before anything else: a change of it holds it while it waits for its runs. Left out: nothing
   * that changes has runs to be changed with it.
   */
  hold?(tx: Transaction, call: Call): Promise<void>;
}

/** How runs of calls are made and changed. Answers false where the run is gone: claimed, cancelled, or put off. */
export interface CollectedRuns<Call> extends CalledRuns<Call> {
  /** @param inputs an array of JSON values; throws where what is called is not there */
  insert(tx: Transaction, run: StagedRun, first: Call, inputs: string): Promise<void>;
  /** @param dueAt left out: it stays as it is */
  append(tx: Transaction, runId: string, inputs: string, dueAt: Date | undefined): Promise<boolean>;
}

interface JoiningCall {
  traceparent?: string | undefined;
}

/** A call that is collected: its input is JSON text, as the database takes it. */
export type Collected<Call extends JoiningCall> = Call & { input: string };

/** All of them say the same besides their inputs. */
export async function collectIn<Call extends Collected<JoiningCall>>(
  tx: Transaction,
  place: JoinPlace,
  { size, waitMs }: Collect,
  calls: readonly Call[],
  runs: CollectedRuns<Call>,
): Promise<Joined> {
  await runs.hold?.(tx, calls[0]!);
  const { now, open } = await lockPlace(tx, place);
  const bytes = calls.map(({ input }) => Buffer.byteLength(input) + 1);
  const joined: Joined = { calls: [], due: [], hasNewInstant: false };
  /** Of the calls from `joined.calls` on, so many. */
  const take = (count: number) => calls.slice(joined.calls.length, joined.calls.length + count);
  const toArray = (taken: readonly Call[]) => `[${taken.map(({ input }) => input).join(",")}]`;
  let last: JoinableRun | undefined;

  async function joinOpen({ runId, count, ...rest }: JoinableRun, become: CollectedRun): Promise<boolean> {
    const taken = take(become.count - count);
    const dueAt = become.isFull ? now : undefined;
    if (!(await runs.append(tx, runId, toArray(taken), dueAt))) return false;
    joined.calls.push(...taken.map(() => ({ runId, joined: true })));
    if (dueAt) joined.due.push({ runId, availableAt: dueAt });
    else last = { ...rest, runId, count: become.count, bytes: become.bytes };
    return true;
  }

  async function openNext({ count, bytes, isFull }: CollectedRun): Promise<void> {
    const taken = take(count);
    const first = taken[0]!;
    const dueAt = isFull ? now : new Date(now.getTime() + waitMs);
    const run = { runId: newId(), availableAt: dueAt, traceparent: first.traceparent };
    await runs.insert(tx, run, first, toArray(taken));
    joined.calls.push(...taken.map((_, index) => ({ runId: run.runId, joined: index > 0 })));
    if (isFull) joined.due.push(run);
    else {
      last = { runId: run.runId, openedAt: now, dueAt, count, bytes };
      joined.hasNewInstant = true;
    }
  }

  const packed = packInputs(open, bytes, size);
  const isJoined = open !== undefined && (await joinOpen(open, packed[0]!));
  const opens = isJoined ? packed.slice(1) : open ? packInputs(undefined, bytes, size) : packed;
  for (const run of opens) await openNext(run);
  await savePlace(tx, place, last);
  return joined;
}

/** As `CollectedRuns`, of runs that have what the last call says. */
export interface DebouncedRuns<Call> extends CalledRuns<Call> {
  insert(tx: Transaction, run: StagedRun, call: Call): Promise<void>;
  replace(tx: Transaction, run: StagedRun, call: Call): Promise<boolean>;
}

export type Debounced<Call extends JoiningCall, Input = string> = Call & { input: Input; debounce: Debounce };

/** The last of them counts. */
export async function debounceIn<Call extends Debounced<JoiningCall, unknown>>(
  tx: Transaction,
  place: JoinPlace,
  calls: readonly Call[],
  runs: DebouncedRuns<Call>,
): Promise<Joined> {
  const call = calls.at(-1)!;
  await runs.hold?.(tx, call);
  const { now, open } = await lockPlace(tx, place);
  const planned = (openedAt: Date, runId: string): StagedRun => ({
    ...{ runId, availableAt: decideDebounced(openedAt, now, call.debounce), traceparent: call.traceparent },
  });
  let run = open && planned(open.openedAt, open.runId);
  const isJoined = run !== undefined && (await runs.replace(tx, run, call));
  if (!run || !isJoined) {
    run = planned(now, newId());
    await runs.insert(tx, run, call);
  }
  const { runId, availableAt: dueAt } = run;
  const isDue = dueAt <= now;
  const openedAt = isJoined ? open!.openedAt : now;
  await savePlace(tx, place, isDue ? undefined : { runId, openedAt, dueAt, count: 1, bytes: 0 });
  return {
    calls: calls.map((_, index) => ({ runId, joined: isJoined || index > 0 })),
    due: isDue ? [run] : [],
    hasNewInstant: !isDue && (!isJoined || dueAt < open!.dueAt),
  };
}
