/**
 * Giving a task its whole definition by its key: it is made, or becomes that, or is that already and stays untouched. A
 * schedule that is the same keeps its grid, and may lie in the past by now; a pause stays.
 */
import { taskInput } from "../../core/contracts/task-input.ts";
import { type Task, toTaskDefinition } from "../../core/contracts/task-output.ts";
import { OWN_JSON_FIELD } from "../../core/contracts/task-spec.ts";
import { diffDefinitions, type FieldChange, isOfSchedule } from "../../core/domain/definition-diff.ts";
import type { SetChange } from "../../core/domain/task-set.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { StagedRun } from "../../core/store/runs/staged-run.ts";
import { createTaskIn } from "../../core/store/tasks/create.ts";
import { changeTaskIn } from "../../core/store/tasks/redefine.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { validate } from "../bodies/body.ts";
import type { ApiParts } from "../environment.ts";
import { lookForQueues } from "../queues/known-queues.ts";
import { readTaskDebounce } from "./require-joining.ts";
import { requireRunnable } from "./require-runnable.ts";

export interface PutRequest {
  namespaceId: string;
  /** Neither is validated yet. */
  key: Json;
  body: Json;
  /** The task that has the key now, locked; undefined: none that is not cancelled. */
  standing: Task | undefined;
  /** What the time is once that is locked. */
  now: Date;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
  /** The key of who asks. */
  by: string;
}

export interface PutTask {
  change: Exclude<SetChange, "pruned">;
  diff: FieldChange[];
  task: Task;
  /** Whether one more task may fire than before: then there has to be room, once all is done that is done with it. */
  needsRoom: boolean;
  /** The run that a new task was made with. */
  runId: string | undefined;
  /** To be rung once it is committed. */
  runs: StagedRun[];
}

/** What is in the past is not looked at. */
const anyTimeInput = taskInput(() => new Date(0));

/** Whom its ends call, and whether there is room, is looked at by the caller, once all is there or gone. */
export async function putTaskIn(
  tx: Transaction,
  { mail }: Pick<ApiParts, "mail">,
  request: PutRequest,
): Promise<PutTask> {
  const { namespaceId, standing, now, traceparent, by } = request;
  const read = readDefinition(request);
  readTaskDebounce(read, false);
  const { input, functionId } = await requireRunnable(tx, namespaceId, read, {
    mail,
    queues: lookForQueues(tx),
  });
  if (!standing) {
    const { task, run } = await createTaskIn(tx, { namespaceId, input, functionId, now, traceparent, by });
    const diff = diffDefinitions({}, toTaskDefinition(input), OWN_JSON_FIELD[input.spec.type]);
    const needsRoom = input.schedule.kind !== "now";
    return { change: "created", diff, task, needsRoom, runId: run?.runId, runs: run ? [run] : [] };
  }
  const diff = differ(standing, input);
  if (diff.length === 0)
    return { change: "unchanged", diff, task: standing, needsRoom: false, runId: undefined, runs: [] };
  const change = { input, functionId, reschedules: diff.some(isOfSchedule) };
  let needsRoom = false;
  const decide = async (_task: Task, _tx: Transaction, isStoredCompleted: boolean) => {
    needsRoom = change.reschedules && isStoredCompleted;
    return change;
  };
  const { task, waiting } = await changeTaskIn(tx, namespaceId, standing.id, now, decide, by);
  return { change: "updated", diff, task, needsRoom, runId: undefined, runs: waiting };
}

function readDefinition({ body, key, standing, now }: PutRequest) {
  const given = typeof body === "object" && body !== null && !Array.isArray(body) ? { ...body, key } : body;
  const input = validate(anyTimeInput, given);
  if (standing && standing.spec.type !== input.spec.type)
    throw invalidField(
      "type",
      `the task is of the type ${standing.spec.type} and keeps it; remove the task first, or choose another key`,
    );
  if (standing && !differ(standing, input).some(isOfSchedule))
    return { ...input, schedule: standing.schedule };
  return validate(
    taskInput(() => now),
    given,
  );
}

const differ = (standing: Task, input: Parameters<typeof toTaskDefinition>[0]) =>
  diffDefinitions(toTaskDefinition(standing), toTaskDefinition(input), OWN_JSON_FIELD[standing.spec.type]);

const MAX_TRIES = 3;

/** Of two who make a task of one key at once one finds the other's, and begins again: then it is there to be changed. */
export async function retryTakenKeys<T>(put: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await put();
    } catch (error) {
      const isTaken = error instanceof BellhopError && error.code === "task_key_taken";
      if (!isTaken || tries === MAX_TRIES) throw error;
    }
  }
}
