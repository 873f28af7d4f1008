/**
 * What the statement that makes tasks (create.ts) is told of one: its own row, and its shape, which it most often has in
 * common with those made beside it. Tasks are made by the thousand: what Bellhop gave them itself is put there as it is, and
 * only what others wrote has to be escaped.
 */
import { isWrittenAsStored } from "../../contracts/schedule-fields.ts";
import type { Task } from "../../contracts/task-output.ts";
import { placeInQueue } from "../../domain/limit-keys.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { toInstant, toInstantArray, toIntArray, toJsonbArray, toTextArray } from "../binary-array.ts";
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

interface ColumnType {
  /** Of an element of its array. */
  sent: "int" | "text" | "jsonb" | "timestamptz";
  /** How the statement reads it; left out, as it is sent. */
  read?: string;
}

/** By the names of columns, in the order of their parameters. Of authors' own texts the JSON is sent, which any text has. */
const COLUMNS = {
  shape: { sent: "int" },
  id: { sent: "text", read: "id::uuid" },
  spec: { sent: "jsonb" },
  schedule: { sent: "jsonb" },
  told: { sent: "jsonb" },
  made_at: { sent: "timestamptz" },
  next_run_at: { sent: "timestamptz" },
  name: { sent: "jsonb", read: "name #>> '{}'" },
  function_id: { sent: "text", read: "function_id::uuid" },
  run_id: { sent: "text", read: "run_id::uuid" },
  traceparent: { sent: "text" },
  jitter_offset_ms: { sent: "text", read: "jitter_offset_ms::int" },
  runs_left: { sent: "text", read: "runs_left::int" },
  limit_keys: {
    sent: "jsonb",
    read: "CASE WHEN limit_keys IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(limit_keys)) END",
  },
} satisfies Record<string, ColumnType>;
const NAMED: [name: string, type: ColumnType][] = Object.entries(COLUMNS);
const SHAPES = NAMED.length + 1;

/** The parameter of a statement that comes after those of `NEW_ROWS`, counted from 1. */
export const afterNewRows = (place: number): `$${number}` => `$${SHAPES + place}`;

type Names<Sent> = {
  [Name in keyof typeof COLUMNS]: (typeof COLUMNS)[Name]["sent"] extends Sent ? Name : never;
}[keyof typeof COLUMNS];

/** Null: the column is. */
export type NewRow = Record<Names<"text" | "jsonb">, string | null> & {
  spec: string;
  schedule: string;
  told: string;
  made_at: bigint;
  next_run_at: bigint | null;
};

/**
 * A query for rows of `tasks`, each with its run's id, where it has one at once, and what its event says: an array for each
 * column that any of them has, which PostgreSQL reads in half the time that records in a JSON text take. Arrays that are
 * unnested side by side go on with nulls where one is null. After them, as JSON, what tasks made together have in common,
 * most often all of them: to send, read and parse it for each would take as long again. They come as they were given: so
 * their events are in that order, and their ids go to the ends of indexes.
 */
export const NEW_ROWS = `
  SELECT * FROM (
    SELECT place, ${NAMED.map(([name, { read = name }]) => `${read} AS ${name}`).join(", ")}
    FROM (SELECT generate_series(1, cardinality($1::int[])) AS place,
      ${NAMED.map(([name, { sent }], index) => `unnest($${index + 1}::${sent}[]) AS ${name}`).join(", ")}) AS sent
  ) AS r
  JOIN json_to_recordset($${SHAPES}::json) AS s(shape int, namespace_id uuid, type text, policy jsonb, retry jsonb,
    timeout_ms int, dead_letter boolean, labels jsonb, on_end jsonb, created_by uuid, queue text, priority smallint)
  USING (shape) ORDER BY place`;

const TO_ARRAY = { int: toIntArray, text: toTextArray, jsonb: toJsonbArray, timestamptz: toInstantArray };

/** The parameters of a statement that has `NEW_ROWS`. */
export function toNewRowValues(given: readonly { row: NewRow; shape: string }[]): (string | Buffer | null)[] {
  const shapes = new Map<string, number>();
  const places = given.map(({ shape }) => {
    const place = shapes.get(shape) ?? shapes.size;
    shapes.set(shape, place);
    return place;
  });
  const columns = NAMED.map(([name, { sent }]) => {
    if (name === "shape") return toIntArray(places);
    const values = given.map(({ row }) => row[name as keyof NewRow]);
    return values.every((value) => value === null) ? null : TO_ARRAY[sent](values as never);
  });
  return [...columns, `[${[...shapes].map(([shape, place]) => `{"shape":${place},${shape}`).join(",")}]`];
}

export function toRow(task: Task, { functionId, runId, traceparent }: RowFacts): NewRow {
  const { id, namespaceId, name, spec, schedule, policy, createdAt, nextRunAt } = task;
  const { next_run_at, jitter_offset_ms, runs_left } = beginColumns(schedule, id, nextRunAt);
  const { limitKeys } = placeInQueue(namespaceId, policy);
  return {
    id,
    spec: toSpecColumn(spec),
    schedule: toScheduleText(schedule),
    told: toCreatedData(task),
    made_at: toInstant(createdAt),
    next_run_at: next_run_at && toInstant(next_run_at),
    name: name === null ? null : toJsonText(name),
    function_id: functionId,
    run_id: runId,
    traceparent: traceparent ?? null,
    jitter_offset_ms: jitter_offset_ms === null ? null : String(jitter_offset_ms),
    runs_left: runs_left === null ? null : String(runs_left),
    limit_keys: limitKeys && toJsonText(limitKeys),
  };
}

/** What tasks are made with by the thousand holds nothing that has to be escaped: whoever made it, this is looked at. */
const toScheduleText = (schedule: Schedule): string =>
  schedule.kind === "once" && !schedule.local && isWrittenAsStored(schedule.at)
    ? `{"kind":"once","at":"${schedule.at}"}`
    : toJsonText(schedule);

/** About as many characters as it has. */
export const weighRow = ({ spec, schedule, told, name, limit_keys }: NewRow): number =>
  spec.length + schedule.length + told.length + (name?.length ?? 0) + (limit_keys?.length ?? 0);

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
