/** `POST /v1/tasks/batch`: each item is made as `POST /v1/tasks` would make it, and one that is refused stops no other. */
import { IN_PLAIN_WORDS } from "../../core/contracts/plain-words.ts";
import { type BatchItem, batchFrame, batchInput, batchOutput } from "../../core/contracts/task-batch.ts";
import type { newTaskInput } from "../../core/contracts/task-input.ts";
import { toWireCreated } from "../../core/contracts/task-output.ts";
import type { Json } from "../../core/json.ts";
import { findMemberText, listElementTexts } from "../../core/json-source.ts";
import { toProblem } from "../../core/problem.ts";
import { type JsonBody, readJsonBody } from "../bodies/body.ts";
import type { ApiParts } from "../environment.ts";
import { toBellhopError, toInputError } from "../http/problem.ts";
import { defineRoute } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
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
      const traceparent = traceparentOf(context);
      const items: BatchItem[] = [];
      for (const item of given) {
        const last = items.at(-1);
        // What comes after would wait for the database as long, one after another.
        const refused = last && isAway(last) ? last : undefined;
        items.push(refused ?? (await createItem(parts, item, { namespaceId, traceparent, by }, schema)));
      }
      return { status: 200, body: { items } };
    },
  });

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
