import type { Dedup } from "../../core/contracts/dedup.ts";
import type { NewTaskContract, NewTaskInput } from "../../core/contracts/task-input.ts";
import type { Task } from "../../core/contracts/task-output.ts";
import type { NamespaceLimits } from "../../core/domain/namespace-limits.ts";
import { invalidField } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { type DedupRequest, makeUnlessMade } from "../../core/store/dedup.ts";
import { newId } from "../../core/store/ids.ts";
import { takeTurn } from "../../core/store/joins/take-turns.ts";
import { demandRoom } from "../../core/store/namespace-limits.ts";
import { findFirstRunId } from "../../core/store/runs/read.ts";
import * as tasks from "../../core/store/tasks/create.ts";
import { debouncePlace, debounceTaskIn } from "../../core/store/tasks/debounce.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import { inTransaction, type Transaction } from "../../core/store/transaction.ts";
import { refuseCrowded, validate } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import type { ApiParts } from "../environment.ts";
import { hashContent } from "../http/content-hash.ts";
import { readTaskDebounce } from "./require-joining.ts";
import { requireRunnable } from "./require-runnable.ts";
import { wakeScheduler } from "./wake-scheduler.ts";

export interface CreatedTask {
  task: Task;
  /** The one that it was made with. */
  runId: string | undefined;
  /** An earlier request made it, of the same content; it is as it stands now. */
  isDuplicate: boolean;
  /** Of a task that is debounced: whether it takes the place of an earlier one. */
  joined?: boolean;
}

export interface CreateRequest {
  namespaceId: string;
  /** Not validated yet. */
  body: Json;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
  /** The key of who asks; null: nobody's. */
  by: string | null;
  /** Of the namespace; left out: it has none. */
  limits?: NamespaceLimits | null;
  /** Left out, one is made. */
  id?: string;
  /** It is one of many that the request makes; left out: it is not. */
  isOfMany?: boolean;
  /** Whether it may take the place of an earlier one by `debounce`; left out: it may not. */
  mayJoin?: boolean;
}

/** The task that the body describes, made and rung; with `dedup`, the one that was made of the same within the window. */
export async function createTask(
  parts: ApiParts,
  {
    namespaceId,
    body,
    traceparent,
    by,
    limits = null,
    id = newId(),
    isOfMany = false,
    mayJoin = false,
  }: CreateRequest,
  contract: NewTaskContract,
): Promise<CreatedTask> {
  const { store, time, ringer, mail, queues, daily } = parts;
  const { task: input, dedup } = readInput(contract, body);
  const debounce = readTaskDebounce(input, mayJoin);
  if (debounce && dedup) throw invalidField("dedup", "cannot be combined with debounce");
  // One that is over once it is made never counts; what repeats or joins another is known further down.
  const needsRoom = input.schedule.kind !== "now";
  if (limits && needsRoom && !debounce && !dedup) await demandRoom(store, namespaceId, limits, "tasks", 1);
  if (input.on) await requireCallable(store, namespaceId, input.on, mail);
  const { input: runnable, functionId } = await requireRunnable(store, namespaceId, input, {
    ...{ mail, queues },
  });
  const asked = { id, namespaceId, input: runnable, functionId, traceparent, by };
  if (debounce) {
    const place = debouncePlace(namespaceId, runnable.spec.type, debounce);
    const debounced = await takeTurn(store, place, () =>
      inTransaction(store.pool, async (tx) => {
        const done = await debounceTaskIn(tx, { ...asked, time }, debounce);
        if (!done.joined) await demandRoom(tx, namespaceId, limits, "tasks", 0);
        return done;
      }),
    );
    wakeScheduler(parts, debounced.task.nextRunAt);
    return { ...debounced, runId: undefined, isDuplicate: false };
  }
  const given = { ...asked, isOfMany, now: time.now() };
  const make = () => tasks.createTask(store, given);
  const result = dedup
    ? await makeUnlessMade(store, toDedupRequest(namespaceId, body, dedup), {
        id: given.id,
        make: async (tx) => {
          if (needsRoom) await demandRoom(tx, namespaceId, limits, "tasks", 1);
          const made = await tasks.createTaskIn(tx, given);
          if (made.run) await daily.count(tx, namespaceId);
          return made;
        },
        find: (tx, id) => findStanding(tx, namespaceId, id),
      })
    : { made: await (needsRoom ? make() : daily.counting(store, namespaceId, make)) };
  if ("standing" in result) return result.standing;
  const { task, run } = result.made;
  if (run) ringer.ring([run]);
  else wakeScheduler(parts, task.nextRunAt);
  return { task, runId: run?.runId, isDuplicate: false };
}

function readInput({ schema, readQuickly }: NewTaskContract, body: Json): NewTaskInput {
  refuseCrowded(body);
  return readQuickly(body) ?? validate(schema, body);
}

function toDedupRequest(namespaceId: string, body: Json, { windowMs }: Dedup): DedupRequest {
  const { dedup: _how, ...content } = body as JsonObject;
  return { namespaceId, operation: "dedup/tasks", contentHash: hashContent(content), windowMs };
}

/** Who has cancelled or removed a task and makes it again wants another. */
async function findStanding(
  tx: Transaction,
  namespaceId: string,
  id: string,
): Promise<CreatedTask | undefined> {
  const task = await findTask(tx, namespaceId, id);
  if (!task || task.state === "cancelled") return undefined;
  const runId = task.schedule.kind === "now" ? await findFirstRunId(tx, id) : undefined;
  return { task, runId, isDuplicate: true };
}
