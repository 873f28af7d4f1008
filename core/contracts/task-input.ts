/** A task as its author writes it. Unknown fields are refused by name, so that a typo is not silently a default. */
import { z } from "zod";
import type { Callbacks } from "../domain/callbacks.ts";
import type { Expectation } from "../domain/expectation.ts";
import { doesRepeat, type Schedule } from "../domain/schedule/schedule.ts";
import { type FoundSecrets, findSecrets } from "../domain/secrets-in-spec.ts";
import { TASK_TYPES, type TaskSpec, type TaskType } from "../domain/task-spec.ts";
import { callbacksField } from "./callbacks.ts";
import { lineField } from "./common.ts";
import { type Dedup, dedupField } from "./dedup.ts";
import { createQuickReader } from "./quick-reader.ts";
import { taskKeyField } from "./task-key.ts";
import { pickPolicy, policyFields, type TaskPolicy } from "./task-policy.ts";
import { readPlainSchedule, scheduleField } from "./task-schedule.ts";
import { findSpecFaults, specFields } from "./task-spec.ts";

/** A validated task, defaults filled in, durations in milliseconds. */
export interface TaskInput {
  /** Of its author's choosing; null: none. */
  key: string | null;
  name: string | null;
  spec: TaskSpec;
  schedule: Schedule;
  policy: TaskPolicy;
  labels: Record<string, string>;
  /** Whom the ends of its runs call; null: whom the namespace's settings say. */
  on: Callbacks | null;
}

const labels = z
  .record(
    z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
        "is not a valid label name: a letter or digit, then letters, digits and . _ / -, 63 at most",
      ),
    lineField("a label").max(256),
  )
  .refine((all) => Object.keys(all).length <= 32, "at most 32 labels");

const EXAMPLE = {
  type: "http",
  method: "POST",
  url: "https://example.com/reports",
  body: { kind: "nightly" },
  schedule: { cron: "30 2 * * *", timezone: "Europe/Rome" },
};

/** A task as somebody writes it; `now` decides what lies in the past. */
export const taskInput = (now: () => Date) =>
  taskFields(now, {})
    .transform((fields) => toTaskInput(fields))
    .meta({ examples: [EXAMPLE] });

/** The same, and how it is made: the schema of `POST /v1/tasks`. */
export const newTaskInput = (now: () => Date) =>
  taskFields(now, NEW)
    .transform(({ dedup, ...fields }): NewTaskInput => ({ task: toTaskInput(fields as TaskFields), dedup }))
    .meta({ examples: [EXAMPLE] });

export interface NewTaskInput {
  task: TaskInput;
  dedup: Dedup | undefined;
}

/** `schema` has the words for what is wrong; `readQuickly` reads most tasks with which nothing is. */
export const newTask = (now: () => Date) => ({
  schema: newTaskInput(now),
  readQuickly: createNewTaskReader(now),
});
export type NewTaskContract = ReturnType<typeof newTask>;

/** What `newTaskInput` makes of it, sooner, where nothing is wrong with it; undefined: that is to look, and to say what is. */
function createNewTaskReader(now: () => Date): (given: unknown) => NewTaskInput | undefined {
  const read = createQuickReader({
    shapeOf: (type: TaskType) => shapeOf(type, now, NEW),
    policyFields: Object.keys(policyFields),
    toPolicy: (fields) => pickPolicy(fields as TaskFields),
    repeatedFields: ["type", "url", "method", "from", "function"],
    readers: { schedule: (given) => readPlainSchedule(given, now) },
  });
  return (given) => {
    const found = read(given);
    if (!found) return undefined;
    const fields = found.fields as TaskFields & { dedup: Dedup | undefined };
    const spec = pickSpec(fields);
    const secrets = findSecrets(spec);
    if (findSpecFaults(spec, secrets).length > 0 || findFieldFaults(fields).length > 0) return undefined;
    return { task: toTaskInput(fields, { spec, policy: found.policy, secrets }), dedup: fields.dedup };
  };
}

type TaskFields = z.output<ReturnType<typeof taskFields<Record<never, never>>>>;

interface TaskParts {
  spec: TaskSpec;
  policy: TaskPolicy;
  secrets: FoundSecrets;
}

function partsOf(fields: TaskFields): TaskParts {
  const spec = pickSpec(fields);
  return { spec, policy: pickPolicy(fields), secrets: findSecrets(spec) };
}

function toTaskInput(fields: TaskFields, { spec, policy, secrets } = partsOf(fields)): TaskInput {
  const { key, name, schedule, labels, on } = fields;
  const { fields: secretsIn } = secrets;
  return {
    key,
    name,
    spec: secretsIn ? ({ ...spec, secretsIn } as TaskSpec) : spec,
    schedule,
    policy,
    labels,
    on,
  };
}

/** The fields of its type, in their order; one that may be left out, and is, has no value. */
function pickSpec(fields: TaskFields): TaskSpec {
  const spec: Record<string, unknown> = { type: fields.type };
  for (const field in specFields[fields.type]) {
    const value: unknown = Reflect.get(fields, field);
    if (value !== undefined) spec[field] = value;
  }
  return spec as unknown as TaskSpec;
}

/** Null stands for the default, as it does where that is null. */
const orDefault = <Field extends z.ZodType>(field: Field) =>
  field
    .nullable()
    .transform((value) => (value === null ? (field.parse(undefined) as z.output<Field>) : value));

/** Policy fields whose default is not null. */
const DEFAULTED = {
  retry: orDefault(policyFields.retry),
  timeout: orDefault(policyFields.timeout),
  deadLetter: orDefault(policyFields.deadLetter),
  overlap: orDefault(policyFields.overlap),
  queue: orDefault(policyFields.queue),
  priority: orDefault(policyFields.priority),
};

const NEW = { dedup: dedupField.optional() };

function shapeOf<Type extends TaskType, More extends z.ZodRawShape>(type: Type, now: () => Date, more: More) {
  return {
    type: z.literal(type),
    ...specFields[type],
    key: taskKeyField.nullable().default(null),
    name: lineField("a name").min(1).max(200).nullable().default(null),
    schedule: orDefault(scheduleField(now).default({ kind: "now" })),
    ...policyFields,
    ...DEFAULTED,
    labels: orDefault(labels.default({})),
    on: callbacksField.nullable().default(null),
    ...more,
  };
}

function taskFields<More extends z.ZodRawShape>(now: () => Date, more: More) {
  const ofType = <Type extends TaskType>(type: Type) =>
    z.strictObject(shapeOf(type, now, more)).superRefine((fields, context) => {
      const faults = [
        ...findSpecFaults(fields as unknown as TaskSpec),
        ...findFieldFaults(fields as unknown as TimedFields & JoiningFields),
      ];
      for (const fault of faults) context.addIssue({ code: "custom", ...fault });
    });
  type Option = { [Type in TaskType]: ReturnType<typeof ofType<Type>> }[TaskType];
  return z.discriminatedUnion("type", TASK_TYPES.map(ofType) as unknown as [Option, ...Option[]]);
}

/** What is wrong between fields that are right one by one. */
const findFieldFaults = (fields: TimedFields & JoiningFields) => [
  ...findJitterFaults(fields),
  ...findJoiningFaults(fields),
];

interface JoiningFields {
  type: TaskType;
  debounce: object | null;
  collect: object | null;
}

function findJoiningFaults({ type, debounce, collect }: JoiningFields) {
  if (!collect) return [];
  const path = ["collect"];
  if (debounce) return [{ path, message: "give debounce or collect, not both" }];
  if (type === "function") return [];
  return [{ path, message: "goes with a function, which is given the list of inputs" }];
}

interface TimedFields {
  schedule: Schedule;
  ttl: number | null;
  deadline: number | null;
  expect: Expectation | null;
}

/** All count from the nominal instant: a run would be over, or late, before it is rung. */
function findJitterFaults(fields: TimedFields) {
  const jitterMs = doesRepeat(fields.schedule) ? (fields.schedule.jitterMs ?? 0) : 0;
  const { ttl, deadline, expect } = fields;
  const withinMs = expect && "withinMs" in expect ? expect.withinMs : null;
  const limits = [
    { path: ["ttl"], ms: ttl },
    { path: ["deadline"], ms: deadline },
    { path: ["expect", "within"], ms: withinMs },
  ];
  return limits
    .filter(({ ms }) => ms !== null && ms <= jitterMs)
    .map(({ path }) => ({ path, message: "must be longer than the schedule's jitter" }));
}
