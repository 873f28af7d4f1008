/** `POST /v1/tasks/apply`: a whole set of tasks, each by its key, in one transaction: all of it is done, or nothing. */
import type { z } from "zod";
import { IN_PLAIN_WORDS } from "../../core/contracts/plain-words.ts";
import type { taskInput } from "../../core/contracts/task-input.ts";
import {
  type AppliedItem,
  applyFrame,
  applyInput,
  applyOutput,
  toWireDiff,
} from "../../core/contracts/task-set.ts";
import { findKeyFault } from "../../core/domain/task-key.ts";
import { MAX_SET_TASKS } from "../../core/domain/task-set.ts";
import { BellhopError, type FieldError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { findMemberText, listElementTexts } from "../../core/json-source.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { demandRoom } from "../../core/store/namespace-limits.ts";
import type { Cancelled } from "../../core/store/runs/cancel.ts";
import type { StagedRun } from "../../core/store/runs/staged-run.ts";
import { removeTasksIn } from "../../core/store/tasks/end.ts";
import { findOtherKeys, lockTasksByKey } from "../../core/store/tasks/keys.ts";
import { inTransaction, type Transaction, tryInTransaction } from "../../core/store/transaction.ts";
import { type JsonBody, readJsonBody } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import type { ApiParts } from "../environment.ts";
import { toInputError } from "../http/problem.ts";
import { defineRoute } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { announceCancelled } from "./announce-cancelled.ts";
import { readNewTask } from "./http-body.ts";
import { type PutRequest, type PutTask, putTaskIn, retryTakenKeys } from "./put-task.ts";

export const applyRoute = (schema: ReturnType<typeof taskInput>) =>
  defineRoute({
    method: "POST",
    path: "/v1/tasks/apply",
    operationId: "applyTasks",
    summary: "Apply a set of task definitions, all or nothing",
    description:
      "Each item is put by its key. With `prune`, tasks with a key that the set no longer names are removed, by a label.",
    access: "write",
    audit: {
      resource: "tasks",
      isChange: (_request, body) => isChanged(body as Applied),
      summarize: countChanges,
    },
    ownBody: { content: { "application/json": applyInput(schema) } },
    keepsSource: true,
    answers: { 200: { is: "What was done to each.", schema: applyOutput } },
    errors: {
      409: ["limit_exceeded", "task_key_taken"],
      422: ["unknown_calendar", "unknown_function", "unknown_queue", "unknown_secret"],
    },
    async handle({ parts, context, owner: { namespaceId, keyId: by, limits } }) {
      const set = await readSet(await readJsonBody(context));
      const { store, ringer, notifier } = parts;
      const request = { namespaceId, limits, traceparent: traceparentOf(context), by };
      const apply = (tx: Transaction) => applySet(tx, parts, request, set);
      const { dryRun } = set;
      if (dryRun) {
        const { items } = await retryTakenKeys(() => tryInTransaction(store.pool, apply));
        const shown = items.map((item) => (item.change === "created" ? { ...item, id: null } : item));
        return { status: 200, body: { dryRun, items: shown } };
      }
      const done = await retryTakenKeys(() => inTransaction(store.pool, apply));
      ringer.ring(done.runs);
      announceCancelled(parts, done.cancelled);
      if (done.items.some(({ change }) => change !== "unchanged")) notifier.notify("bellhop_schedule");
      return { status: 200, body: { dryRun, items: done.items } };
    },
  });

type Applied = z.output<typeof applyOutput>;

const isChanged = ({ dryRun, items }: Applied): boolean =>
  !dryRun && items.some(({ change }) => change !== "unchanged");

/** Each task's own history has what became of it. */
function countChanges({ items }: Applied): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { change } of items) counts[change] = (counts[change] ?? 0) + 1;
  return counts;
}

interface TaskSet {
  /** By their keys; not validated besides. */
  items: { key: string; body: Json }[];
  labels: string[] | undefined;
  dryRun: boolean;
}

async function readSet({ value, text }: JsonBody): Promise<TaskSet> {
  const frame = applyFrame.safeParse(value, IN_PLAIN_WORDS);
  if (!frame.success) throw toInputError(frame.error);
  const { items, prune, dryRun } = frame.data;
  const texts = listElementTexts(findMemberText(text, "items")!);
  const read = await refuseTogether(items, (item, index) => ({
    key: readKey(item as Json),
    body: readNewTask({ value: item as Json, text: texts[index]! }),
  }));
  refuseTwice(read);
  return { items: read, labels: prune?.label, dryRun };
}

function readKey(item: Json): string {
  const key = (item as { key?: Json } | null)?.key;
  if (key === undefined || key === null)
    throw invalidField("key", "is required: a set names its tasks by their keys");
  if (typeof key !== "string") throw invalidField("key", "must be text");
  const fault = findKeyFault(key);
  if (fault) throw invalidField("key", fault);
  return key;
}

function refuseTwice(items: TaskSet["items"]): void {
  const first = new Map<string, number>();
  for (const [index, { key }] of items.entries()) {
    const other = first.get(key);
    if (other !== undefined) throw invalidField(`items.${index}.key`, `is the key of items.${other}, too`);
    first.set(key, index);
  }
}

interface AppliedSet {
  items: AppliedItem[];
  /** To be rung. */
  runs: StagedRun[];
  /** Runs of the tasks that were pruned. */
  cancelled: Cancelled;
}

async function applySet(
  tx: Transaction,
  parts: ApiParts,
  { limits, ...request }: Omit<PutRequest, "key" | "body" | "standing" | "now"> & Pick<KeyOwner, "limits">,
  { items, labels }: TaskSet,
): Promise<AppliedSet> {
  const { namespaceId } = request;
  const keys = items.map(({ key }) => key);
  const standing = await lockTasksByKey(tx, namespaceId, keys);
  const now = parts.time.now();
  // New keys are taken in one order, whatever the set's: of two who make the same ones, the second waits for the first.
  const byKey = [...items.keys()].toSorted((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  const put = await refuseTogether(
    items,
    ({ key, body }) => putTaskIn(tx, parts, { ...request, now, key, body, standing: standing.get(key) }),
    byKey,
  );
  const pruned = labels ? await findPruned(tx, namespaceId, keys, labels) : [];
  const prunedIds = pruned.map(({ id }) => id);
  const { runs: cancelled } = await removeTasksIn(tx, namespaceId, prunedIds, now);
  if (put.some(({ needsRoom }) => needsRoom)) await demandRoom(tx, namespaceId, limits, "tasks", 0);
  // Those of the set may call each other, and none that goes with it.
  await refuseTogether(put, ({ task }) => requireCallable(tx, namespaceId, task.on, parts.mail));
  await parts.daily.count(tx, namespaceId, put.filter(({ runId }) => runId !== undefined).length);
  return {
    items: [
      ...put.map(({ task, change, diff }, index) => toItem(keys[index]!, task.id, change, diff)),
      ...pruned.map(({ key, id }) => toItem(key, id, "pruned", [])),
    ],
    runs: put.flatMap(({ runs }) => runs),
    cancelled,
  };
}

const toItem = (
  key: string,
  id: string,
  change: AppliedItem["change"],
  diff: PutTask["diff"],
): AppliedItem => ({ key, id, change, diff: toWireDiff(diff) });

async function findPruned(tx: Transaction, namespaceId: string, keys: string[], labels: string[]) {
  const found = await findOtherKeys(tx, namespaceId, keys, labels, MAX_SET_TASKS + 1);
  if (found.length <= MAX_SET_TASKS) return found;
  throw invalidField(
    "prune.label",
    `more than ${MAX_SET_TASKS} tasks would be removed: narrow the label, or remove them by a bulk action`,
  );
}

const MAX_REFUSED = 20;

/** One after the other, in their order or another; where some are refused, all of their faults are told, by the item. */
async function refuseTogether<Item, Made>(
  items: readonly Item[],
  make: (item: Item, index: number) => Made | Promise<Made>,
  order: Iterable<number> = items.keys(),
): Promise<Made[]> {
  const made: Made[] = [];
  const refused = new Map<number, BellhopError>();
  for (const index of order) {
    try {
      made[index] = await make(items[index]!, index);
    } catch (error) {
      if (!(error instanceof BellhopError) || error.status !== 422) throw error;
      refused.set(index, ofItem(error, index));
      if (refused.size >= MAX_REFUSED) break;
    }
  }
  if (refused.size > 0) throw joinRefusals(items.flatMap((_, index) => refused.get(index) ?? []));
  return made;
}

function ofItem({ code, status, message, fields }: BellhopError, index: number): BellhopError {
  const at = `items.${index}`;
  const named = fields.length > 0 ? fields : [{ field: "", message }];
  const inside = named.map((fault) => ({
    ...fault,
    field: fault.field === "" ? at : `${at}.${fault.field}`,
  }));
  return new BellhopError(code, status, message, inside);
}

function joinRefusals(refused: readonly BellhopError[]): BellhopError {
  const fields: FieldError[] = refused.flatMap((error) => error.fields).slice(0, MAX_REFUSED);
  const detail = fields.map(({ field, message }) => `${field}: ${message}`).join("; ");
  const codes = new Set(refused.map(({ code }) => code));
  return new BellhopError(codes.size === 1 ? refused[0]!.code : "invalid_input", 422, detail, fields);
}
