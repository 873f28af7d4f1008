import type { Context } from "hono";
import type { Dedup } from "../../core/contracts/dedup.ts";
import { runNowInput } from "../../core/contracts/run-now.ts";
import { OWN_JSON_FIELD, OWN_JSON_HINT } from "../../core/contracts/task-spec.ts";
import type { TaskType } from "../../core/domain/task-spec.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { findMemberText, JsonSource } from "../../core/json-source.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { type DedupRequest, makeUnlessMade } from "../../core/store/dedup.ts";
import { isId, newId } from "../../core/store/ids.ts";
import { enqueueUnlessJoining } from "../../core/store/runs/enqueue.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import { toGivenInput } from "../../core/store/tasks/spec-column.ts";
import { type JsonBody, readJsonBody, validate } from "../bodies/body.ts";
import { refuseUnstorable, refuseUnstorableSource } from "../bodies/stored-text.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hashContent } from "../http/content-hash.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";
import { joinTaskRun } from "./join-task-run.ts";
import { requireBodySecrets } from "./require-secrets.ts";

export interface RunOfNow {
  runId: string;
  /** Of a task whose runs become one: an earlier request has made it. */
  joined?: boolean;
  /** An earlier request made it, of the same task and the same given. */
  isDuplicate: boolean;
}

/**
 * Makes a run of the task besides its schedule, and rings it; with `dedup`, the one that was made within the window. Where
 * the task says `debounce` or `collect` it joins the one that waits, or makes one that does.
 */
export async function runNow(parts: ApiParts, context: Context<ApiEnv>, taskId: string): Promise<RunOfNow> {
  const { store, ringer, daily } = parts;
  const owner = context.get("owner");
  const { namespaceId } = owner;
  const body = await readJsonBody(context, { optional: true });
  const { dedup, ...asked } = validate(runNowInput, body.value);
  const given = listGiven(asked, body);
  const runId = newId();
  let input: string | undefined;
  if (given.length > 0) {
    const task = isId(taskId) ? await findTask(store, namespaceId, taskId) : undefined;
    if (!task) throw notFound("task", taskId);
    input = await readInput(task.spec.type, given, body, (text) =>
      requireBodySecrets(store, owner, text, "body"),
    );
  }
  const make = async (scope: QueryScope) => {
    if (!isId(taskId)) throw notFound("task", taskId);
    let joins = false;
    const enqueue = async () => {
      const run = await enqueueUnlessJoining(
        scope,
        namespaceId,
        taskId,
        runId,
        traceparentOf(context),
        input,
      );
      joins = run === "joins";
      return run === "joins" ? undefined : run;
    };
    const run = await daily.counting(scope, namespaceId, enqueue, dedup !== undefined);
    if (joins && dedup) throw invalidField("dedup", "cannot be combined with a task's debounce or collect");
    if (!run && !joins) throw notFound("task", taskId);
    return run ?? ("joins" as const);
  };
  const request = dedup && toDedupRequest(namespaceId, taskId, given, dedup);
  const find = (tx: QueryScope, id: string) => findStanding(tx, namespaceId, id);
  const result = request
    ? await makeUnlessMade(store, request, { id: runId, make, find })
    : { made: await make(store) };
  const answered = await settle();
  spanOf(context).set({ "bellhop.task.id": taskId, "bellhop.run.id": answered.runId });
  return answered;

  async function settle(): Promise<RunOfNow> {
    if ("standing" in result) return { runId: result.standing, isDuplicate: true };
    if (result.made === "joins") {
      const asked = { namespaceId, taskId, input, traceparent: traceparentOf(context) };
      return { ...(await joinTaskRun(parts, asked)), isDuplicate: false };
    }
    ringer.ring([result.made]);
    return { runId, isDuplicate: false };
  }
}

function toDedupRequest(
  namespaceId: string,
  taskId: string,
  given: Given[],
  { windowMs }: Dedup,
): DedupRequest {
  const content = given.map(({ field, value, text }) => [field, field === "body" ? text : value]);
  return { namespaceId, operation: `dedup/tasks/${taskId}/run`, contentHash: hashContent(content), windowMs };
}

/** Who has cancelled a run and asks for it again wants another. */
async function findStanding(
  scope: QueryScope,
  namespaceId: string,
  runId: string,
): Promise<string | undefined> {
  const run = await findRun(scope, namespaceId, runId);
  return run && run.state !== "cancelled" ? runId : undefined;
}

interface Given {
  field: "input" | "body";
  value: Json;
  /** As its author wrote it. */
  text: string;
}

function listGiven(asked: { input?: Json | undefined; body?: Json | undefined }, body: JsonBody): Given[] {
  return (["input", "body"] as const).flatMap((field) => {
    const value = asked[field];
    return value === undefined ? [] : [{ field, value, text: findMemberText(body.text, field)! }];
  });
}

/** What the run gets in place of its task's own, as its row has it. 422 where such a task has no such field. */
async function readInput(
  type: TaskType,
  given: Given[],
  body: JsonBody,
  holdsSecrets: (sent: Json | JsonSource) => Promise<boolean>,
): Promise<string> {
  const alien = given.find(({ field }) => field !== OWN_JSON_FIELD[type]);
  if (alien) throw invalidField(alien.field, OWN_JSON_HINT[type]);
  const { field, value, text } = given[0]!;
  // JSON for an http task is kept and sent as its author wrote it, whatever text it holds.
  const keepsText = type === "http" && typeof value !== "string";
  if (!keepsText) refuseUnstorable(body.value, body.text);
  const sent = keepsText ? new JsonSource(text) : value;
  if (sent instanceof JsonSource) refuseUnstorableSource(sent, field);
  return toGivenInput(field, sent, type === "http" && (await holdsSecrets(sent)));
}
