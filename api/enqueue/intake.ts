/**
 * Makes the tasks that applications have enqueued in transactions of their own (core/store/enqueue/), as `POST /v1/tasks`
 * would, each in one transaction with the row that asked for it. What that would refuse is kept with the reason.
 */

import { randomUUID } from "node:crypto";
import { newTaskInput } from "../../core/contracts/task-input.ts";
import { startLoop } from "../../core/loop-rest.ts";
import { toProblem } from "../../core/problem.ts";
import { trueTime } from "../../core/schedule-time.ts";
import { NO_DAILY_LIMITS } from "../../core/store/daily-limits.ts";
import { isDatabaseAway } from "../../core/store/database-away.ts";
import { isDeadlock } from "../../core/store/deadlock.ts";
import {
  type EnqueuedTask,
  hasEnqueued,
  moveEnqueuedBack,
  refuseEnqueued,
  removeEnqueued,
  takeEnqueued,
} from "../../core/store/enqueue/enqueued-tasks.ts";
import type { Listener } from "../../core/store/listen.ts";
import { cancelTask } from "../../core/store/tasks/end.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { parseJson } from "../bodies/body.ts";
import type { ApiParts } from "../environment.ts";
import { inOneTransaction } from "../http/in-one-transaction.ts";
import { toBellhopError } from "../http/problem.ts";
import { announceCancelled } from "../tasks/announce-cancelled.ts";
import { createTask } from "../tasks/create.ts";
import { readNewTask } from "../tasks/http-body.ts";

type Outcome = "made" | "cancelled" | "refused";

/** Which namespace was served last: the next one comes next. */
export interface IntakeTurn {
  namespaceId: string;
}

/** What became of the first that waits; undefined: none does. Those behind one that fails do not wait for it. */
export async function takeOne(parts: ApiParts, turn: IntakeTurn): Promise<Outcome | undefined> {
  let seq: string | undefined;
  try {
    const outcome = await inOneTransaction(parts, async (inside, tx) => {
      const enqueued = await takeEnqueued(tx, turn.namespaceId);
      seq = enqueued?.seq;
      turn.namespaceId = enqueued?.namespaceId ?? turn.namespaceId;
      return enqueued && (await carryOut(inside, tx, enqueued));
    });
    if (outcome) parts.metrics.enqueued.inc({ outcome });
    return outcome;
  } catch (error) {
    if (seq !== undefined) await moveEnqueuedBack(parts.store, seq);
    throw error;
  }
}

async function carryOut(parts: ApiParts, tx: Transaction, enqueued: EnqueuedTask): Promise<Outcome> {
  const { seq, action, taskId, namespaceId } = enqueued;
  if (action === "cancel") {
    await cancel(parts, enqueued);
    await removeEnqueued(tx, seq);
    return "cancelled";
  }
  try {
    await make(parts, enqueued);
    await removeEnqueued(tx, seq);
    return "made";
  } catch (error) {
    // With a database that is away, or that ended the transaction for another's sake, nothing is wrong with the task.
    if (isDatabaseAway(error) || isDeadlock(error)) throw error;
    const told = toBellhopError(error, parts.log, { taskId });
    await refuseEnqueued(tx, seq, toProblem(told));
    parts.log.warn({ taskId, namespaceId, code: told.code }, "an enqueued task was refused");
    return "refused";
  }
}

/**
 * Its time runs from the moment it was enqueued: what lies in the past, and what a delay is counted from. A clock for
 * tests did not move meanwhile, as far as the database knows.
 */
async function make(parts: ApiParts, { taskId, namespaceId, text, enqueuedAt }: EnqueuedTask): Promise<void> {
  const time = parts.time.isVirtual ? parts.time : trueTime({ now: () => enqueuedAt });
  const body = readNewTask({ value: parseJson(text!), text: text! });
  const request = { namespaceId, body, traceparent: undefined, by: null, id: taskId };
  // Whoever has the database's word for it has no key that brings limits along.
  const contract = { schema: newTaskInput(time.now), readQuickly: () => undefined };
  await createTask({ ...parts, time, daily: NO_DAILY_LIMITS }, request, contract);
}

/** One that is gone meanwhile needs no cancel. */
async function cancel(parts: ApiParts, { taskId, namespaceId }: EnqueuedTask): Promise<void> {
  try {
    const { runs } = await cancelTask(parts.store, namespaceId, taskId, parts.time.now());
    announceCancelled(parts, runs);
  } catch (error) {
    if (toBellhopError(error, parts.log).status !== 404) throw error;
  }
}

/**
 * A bell is heard at once, and a scheduler rings again what still waits a second later. So often an API looks by itself, and
 * for what somebody else is at.
 */
const LOOK_MS = { nothing: 30_000, something: 1_000 };

/** Makes what is enqueued, one after another, until it is stopped. */
export function startIntake(parts: ApiParts, listener: Listener): { stop(): Promise<void> } {
  // APIs that start together do not all begin with the same one.
  const turn = { namespaceId: randomUUID() };

  async function takeAll(stopped: AbortSignal): Promise<number> {
    if (!(await hasEnqueued(parts.store))) return LOOK_MS.nothing;
    while (!stopped.aborted && (await takeOne(parts, turn)) !== undefined);
    return LOOK_MS.something;
  }

  const loop = startLoop(parts.clock, takeAll, {
    retryMs: LOOK_MS.something,
    failed: (error) => parts.log.error({ error }, "enqueued tasks were not made; tried again soon"),
  });
  void listener.on("bellhop_enqueued", () => loop.wake());
  return loop;
}
