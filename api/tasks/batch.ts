/** `POST /v1/tasks/batch`: each item is made as `POST /v1/tasks` would make it, and one that is refused stops no other. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { z } from "zod";
import { IN_PLAIN_WORDS } from "../../core/contracts/plain-words.ts";
import { type BatchItem, batchFrame, batchInput, batchOutput } from "../../core/contracts/task-batch.ts";
import type { NewTaskContract } from "../../core/contracts/task-input.ts";
import { toWireCreated } from "../../core/contracts/task-output.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { findMemberText, listElementTexts } from "../../core/json-source.ts";
import { toProblem } from "../../core/problem.ts";
import { findRoom, limitExceeded } from "../../core/store/namespace-limits.ts";
import { longestWaitOfManyMs } from "../../core/store/tasks/create.ts";
import { type JsonBody, readJsonBody } from "../bodies/body.ts";
import type { ApiParts } from "../environment.ts";
import { hashContent } from "../http/content-hash.ts";
import { readIdempotencyKey } from "../http/idempotency.ts";
import { MINIMAL_APPLIED, prefersMinimal } from "../http/prefers-minimal.ts";
import { toBellhopError, toInputError } from "../http/problem.ts";
import { defineRoute } from "../http/route.ts";
import { refuseIfLate } from "../http/shed-load.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { type CreatedTask, type CreateRequest, createTask } from "./create.ts";
import { readNewTask } from "./http-body.ts";

export const batchRoute = (contract: NewTaskContract) =>
  defineRoute({
    method: "POST",
    path: "/v1/tasks/batch",
    operationId: "createTasks",
    summary: "Create up to 1,000 tasks, each independently",
    access: "write",
    audit: { not: "Tasks are made by the thousand: a task says itself who made it." },
    ownBody: { content: { "application/json": batchInput(contract.schema) } },
    keepsSource: true,
    headers: {
      prefer: z
        .string()
        .meta({ description: "`return=minimal`: of each task that was created only the id is shown." }),
    },
    answers: {
      200: { is: "The outcome of each item.", schema: batchOutput, headers: ["preference-applied"] },
    },
    async handle({ parts, context, owner: { namespaceId, keyId: by, limits } }) {
      const given = readItems(await readJsonBody(context));
      const isOfMany = given.length > MOST_OF_FEW;
      // Batches that wait for each other keep nobody else out, so whoever comes with one more is refused here.
      if (isOfMany) await refuseIfLate(longestWaitOfManyMs);
      const request = { namespaceId, traceparent: traceparentOf(context), by, isOfMany };
      const isMinimal = prefersMinimal(context);
      const show = isMinimal ? showId : showTask;
      const items: BatchItem[] = [];
      const room = await findRoom(parts.store, namespaceId, limits, "tasks");
      const beyond = listBeyond(given, room);
      let refused: BatchItem | undefined;
      for (const together of inSteps(given)) {
        const create = async ({ item, index }: Numbered) =>
          beyond.has(index)
            ? toRefused(limitExceeded("tasks", limits!.tasks!))
            : await createItem(parts, item, request, { contract, show });
        const made = await Promise.all(together.map(async (each) => refused ?? (await create(each))));
        for (const [at, { index }] of together.entries()) items[index] = made[at]!;
        // Where all were refused nothing has been waited for.
        await nextTurn();
        // What comes after would wait for the database as long, one step after another.
        refused ??= made.find(isAway);
      }
      // Kept under a key, it would be the answer for a day.
      if (readIdempotencyKey(context) !== undefined) throwFailure(items);
      return { status: 200, body: { items }, headers: isMinimal ? MINIMAL_APPLIED : {} };
    },
  });

/** Those with a schedule have room in their order, whatever becomes of them; without one a task is over once it is made. */
function listBeyond(given: JsonBody[], room = given.length): Set<number> {
  const counted = [...given.keys()].filter((index) => hasSchedule(given[index]!));
  return new Set(counted.slice(Math.max(room, 0)));
}

const hasSchedule = ({ value }: JsonBody): boolean => ((value ?? {}) as JsonObject)["schedule"] != null;

interface Numbered {
  index: number;
  item: JsonBody;
}

/** Items of a batch that has no more go with single POSTs, and as soon as they. */
const MOST_OF_FEW = 10;

/**
 * Plain items are made together, so many at a time: those share the statements that make them. Between, other requests get
 * their turn.
 */
const MADE_TOGETHER = 200;

/**
 * Under an idempotency key a batch is one transaction, which holds what its items lock, a key or the like of `dedup`, to
 * its end: all batches take those in one order, one after another, after all that lock nothing.
 */
function inSteps(given: JsonBody[]): Numbered[][] {
  const plain: Numbered[] = [];
  const others: (Numbered & { lock: string })[] = [];
  for (const [index, item] of given.entries())
    if (isPlain(item)) plain.push({ index, item });
    else others.push({ index, item, lock: lockOf(item) });
  others.sort((one, other) => (one.lock < other.lock ? -1 : one.lock > other.lock ? 1 : 0));
  const steps: Numbered[][] = [];
  for (let from = 0; from < plain.length; from += MADE_TOGETHER)
    steps.push(plain.slice(from, from + MADE_TOGETHER));
  return [...steps, ...others.map((each) => [each])];
}

/**
 * It takes no lock, looks nothing up by itself, and is made by a statement without a transaction of its own. What is not is
 * made one after another: a batch takes one connection from the others.
 */
function isPlain({ value }: JsonBody): boolean {
  const { dedup, key = null, schedule, expect, on, tag, revision } = (value ?? {}) as JsonObject;
  if (dedup !== undefined || key !== null || expect || on) return false;
  if (tag !== undefined || revision !== undefined) return false;
  return (schedule as JsonObject | null | undefined)?.["exclude"] === undefined;
}

function lockOf({ value }: JsonBody): string {
  const { dedup, ...content } = (value ?? {}) as JsonObject;
  return `${dedup === undefined ? "" : hashContent(content).toString("hex")} ${String(content["key"] ?? "")}`;
}

/** 503 or 500 where an item failed for a reason that is not its own: nothing of the batch stays, and it may be repeated. */
function throwFailure(items: BatchItem[]): void {
  for (const item of items)
    if ("problem" in item && item.status >= 500)
      throw new BellhopError(item.problem.code, item.status, item.problem.detail);
}

const isAway = (item: BatchItem) => "problem" in item && item.problem.code === "database_unavailable";

type ShownTask = { task: ReturnType<typeof toWireCreated> } | { id: string };
const showTask = (created: CreatedTask): ShownTask => ({ task: toWireCreated(created) });
const showId = ({ task: { id } }: CreatedTask): ShownTask => ({ id });

async function createItem(
  parts: ApiParts,
  item: JsonBody,
  request: Omit<CreateRequest, "body">,
  { contract, show }: { contract: NewTaskContract; show(created: CreatedTask): ShownTask },
): Promise<BatchItem> {
  try {
    const created = await createTask(parts, { ...request, body: readNewTask(item) }, contract);
    return { status: created.isDuplicate ? 200 : 201, ...show(created) };
  } catch (error) {
    return toRefused(toBellhopError(error, parts.log));
  }
}

const toRefused = (told: BellhopError): BatchItem => ({ status: told.status, problem: toProblem(told) });

/** Each with its text: an http task's body is kept as it is written. */
function readItems({ value, text }: JsonBody): JsonBody[] {
  const frame = batchFrame.safeParse(value, IN_PLAIN_WORDS);
  if (!frame.success) throw toInputError(frame.error);
  const texts = listElementTexts(findMemberText(text, "items")!);
  return frame.data.items.map((item, index) => ({ value: item as Json, text: texts[index]! }));
}
