/**
 * What the statement that makes tasks (create.ts) is told of one: its own row, and its shape, which it most often has in
 * common with those made beside it. Both are members of a JSON object, and what ends it. Tasks are made by the thousand:
 * what Bellhop gave them itself is put there as it is, and only what others wrote has to be escaped. A column that is left
 * out is null: to write, send and read that takes time.
 */
import type { Task } from "../../contracts/task-output.ts";
import { placeInQueue } from "../../domain/limit-keys.ts";
import { createInstantWriter } from "../../instant-text.ts";
import { toCreatedData } from "../events/record.ts";
import { toJsonText } from "../json-text.ts";
import { beginColumns } from "./cursor.ts";
import { toPolicyColumns } from "./policy-columns.ts";
import { toSpecColumn } from "./spec-column.ts";

/** What a task's row has that the task does not say. */
export interface RowFacts {
  functionId: string | null;
  runId: string | null;
  traceparent: string | undefined;
}

const writeMadeAt = createInstantWriter();
const writeNextRunAt = createInstantWriter();

export function toRow(task: Task, { functionId, runId, traceparent }: RowFacts): string {
  const { id, namespaceId, name, spec, schedule, policy, createdAt, nextRunAt } = task;
  const { next_run_at, jitter_offset_ms, runs_left } = beginColumns(schedule, id, nextRunAt);
  const { limitKeys } = placeInQueue(namespaceId, policy);
  let row = `"id":"${id}","made_at":"${writeMadeAt(createdAt)}","schedule":${toJsonText(schedule)}`;
  row += `,"spec":${toSpecColumn(spec)},"told":${toCreatedData(task)}`;
  if (next_run_at) row += `,"next_run_at":"${writeNextRunAt(next_run_at)}"`;
  if (name !== null) row += `,"name":${toJsonText(name)}`;
  if (functionId !== null) row += `,"function_id":"${functionId}"`;
  if (runId !== null) row += `,"run_id":"${runId}"`;
  if (traceparent !== undefined) row += `,"traceparent":${toJsonText(traceparent)}`;
  if (jitter_offset_ms !== null) row += `,"jitter_offset_ms":${jitter_offset_ms}`;
  if (runs_left !== null) row += `,"runs_left":${runs_left}`;
  if (limitKeys) row += `,"limit_keys":${toJsonText(limitKeys)}`;
  return `${row}}`;
}

/** The shape of the task made last, and the objects it was made of, which nobody changes. */
let last: { of: readonly unknown[]; shape: string } | undefined;

/** One caller's tasks mostly have the very same policy, labels and so on, so this is the same text. */
export function toShape(task: Task, by: string | null): string {
  const of = [task.namespaceId, task.spec.type, task.policy, task.labels, task.on, by];
  if (last?.of.every((each, index) => each === of[index])) return last.shape;
  const shape = writeShape(task, by);
  last = { of, shape };
  return shape;
}

function writeShape({ namespaceId, spec, policy, labels, on }: Task, by: string | null): string {
  const { policy: policyText, retry, timeout_ms, dead_letter } = toPolicyColumns(policy);
  const { queue, priority } = placeInQueue(namespaceId, policy);
  let shape = `"namespace_id":"${namespaceId}","type":"${spec.type}","policy":${policyText},"retry":${retry}`;
  shape += `,"timeout_ms":${timeout_ms},"dead_letter":${dead_letter},"labels":${toJsonText(labels)}`;
  if (on) shape += `,"on_end":${toJsonText(on)}`;
  if (by !== null) shape += `,"created_by":"${by}"`;
  if (queue !== null) shape += `,"queue":${toJsonText(queue)}`;
  return `${shape},"priority":${priority}}`;
}
