/** `POST /v1/tasks/batch`: each item is made as `POST /v1/tasks` would make it, and one that is refused stops no other. */
import { IN_PLAIN_WORDS } from "../../core/contracts/plain-words.ts";
import { type BatchItem, batchFrame, batchInput, batchOutput } from "../../core/contracts/task-batch.ts";
import type { newTaskInput } from "../../core/contracts/task-input.ts";
import { toWireCreated } from "../../core/contracts/task-output.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { findMemberText, listElementTexts } from "../../core/json-source.ts";
import { toProblem } from "../../core/problem.ts";
import { type JsonBody, readJsonBody } from "../bodies/body.ts";
import type { ApiParts } from "../environment.ts";
import { readIdempotencyKey } from "../http/idempotency.ts";
import { toBellhopError, toInputError } from "../http/problem.ts";
import { defineRoute } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { hashContent } from "./content-hash.ts";
import { type CreateRequest, createTask } from "./create.ts";
import { readNewTask } from "./http-body.ts";

export const batchRoute = (schema: ReturnType<typeof newTaskInput>) =>
  defineRoute({
    method: "POST",
    path: "/v1/tasks/batch",
    operationId: "createTasks",
    summary: "Make up to 1,000 tasks, each for itself",
    access: "write",
    ownBody: { content: { "application/json": batchInput(schema) } },
    keepsSource: true,
    answers: { 200: { is: "What became of each.", schema: batchOutput } },
    async handle({ parts, context, owner: { namespaceId, keyId: by } }) {
      const given = readItems(await readJsonBody(context));
      const request = { namespaceId, traceparent: traceparentOf(context), by };
      const items: BatchItem[] = [];
      let last: BatchItem | undefined;
      for (const [index, item] of inLockOrder(given)) {
        // What comes after would wait for the database as long, one after another.
        const refused = last && isAway(last) ? last : undefined;
        last = refused ?? (await createItem(parts, item, request, schema));
        items[index] = last;
      }
      // Kept under a key, it would be the answer for a day.
      if (readIdempotencyKey(context) !== undefined) throwFailure(items);
      return { status: 200, body: { items } };
    },
  });

/**
 * Under an idempotency key a batch is one transaction, which holds what its items lock, a key or the like of `dedup`, to
 * its end: all batches take those in one order.
 */
function inLockOrder(given: JsonBody[]): [index: number, item: JsonBody][] {
  const lockOf = ({ value }: JsonBody): string => {
    const { dedup, ...content } = (value ?? {}) as JsonObject;
    return `${dedup === undefined ? "" : hashContent(content).toString("hex")} ${String(content["key"] ?? "")}`;
  };
  const ordered = given.map((item, index) => ({ index, item, lock: lockOf(item) }));
  ordered.sort((one, other) => (one.lock < other.lock ? -1 : one.lock > other.lock ? 1 : 0));
  return ordered.map(({ index, item }) => [index, item]);
}

/** 503 or 500 where an item failed for a reason that is not its own: nothing of the batch stays, and it may be repeated. */
function throwFailure(items: BatchItem[]): void {
  for (const item of items)
    if ("problem" in item && item.status >= 500)
      throw new BellhopError(item.problem.code, item.status, item.problem.detail);
}

const isAway = (item: BatchItem) => "problem" in item && item.problem.code === "database_unavailable";

async function createItem(
  parts: ApiParts,
  item: JsonBody,
  request: Omit<CreateRequest, "body">,
  schema: ReturnType<typeof newTaskInput>,
): Promise<BatchItem> {
  try {
    const created = await createTask(parts, { ...request, body: readNewTask(item) }, schema);
    return { status: created.isDuplicate ? 200 : 201, task: toWireCreated(created) };
  } catch (error) {
    const told = toBellhopError(error, parts.log);
    return { status: told.status, problem: toProblem(told) };
  }
}

/** Each with its text: an http task's body is kept as it is written. */
function readItems({ value, text }: JsonBody): JsonBody[] {
  const frame = batchFrame.safeParse(value, IN_PLAIN_WORDS);
  if (!frame.success) throw toInputError(frame.error);
  const texts = listElementTexts(findMemberText(text, "items")!);
  return frame.data.items.map((item, index) => ({ value: item as Json, text: texts[index]! }));
}
