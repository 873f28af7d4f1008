/**
 * A task's policy: how its runs are tried, whatever its type. `policyFields` is all that lists its fields. What callers
 * may send, the defaults, what is stored and what is shown follow from it.
 */
import { z } from "zod";
import { deepFreeze } from "../deep-freeze.ts";
import { OVERLAPS } from "../domain/overlap.ts";
import type { RunTrigger } from "../domain/run-trigger.ts";
import { catchUpField } from "./catch-up-field.ts";
import { durationField, wholeNumberField } from "./common.ts";
import { expectField } from "./expect-field.ts";
import { fieldGroup, type Shown, toInner, toShown } from "./field-group.ts";
import { collectField, debounceField } from "./joining-fields.ts";
import { queueFields } from "./queue-fields.ts";
import { retryField } from "./retry-field.ts";

/** By their names on the wire. Each has a default: a task that was stored before the field was there has that. */
export const policyFields = {
  retry: retryField.prefault({}),
  /** Of each attempt. */
  timeout: durationField(100, 3_600_000).prefault("30s"),
  /** Whether a run that has used up its attempts waits in the dead letters. */
  deadLetter: z.boolean().default(true),
  /** From `scheduledFor`: a run that has not started by then does not start any more. Null: it may wait. */
  ttl: durationField(1).nullable().default(null),
  /** From `scheduledFor`, over all attempts and the waits between them. Null: none. */
  deadline: durationField(1).nullable().default(null),
  /** So many failed runs in a row pause the task. Null: none do. */
  pauseAfterFailures: wholeNumberField(1, 100).nullable().default(null),
  /** Of an occurrence whose instant comes while an earlier one is open. */
  overlap: z.enum(OVERLAPS, `must be one of ${OVERLAPS.join(", ")}`).default("skip"),
  /** Null: one run for all that was missed in an outage, nothing after a pause. */
  catchUp: catchUpField.nullable().default(null),
  /** By when an occurrence must have succeeded. Null: nobody is told when it has not. */
  expect: expectField.nullable().default(null),
  ...queueFields,
  /** Runs on somebody's word with the same key become one. Null: each is a run of its own. */
  debounce: debounceField.nullable().default(null),
  /** Runs on somebody's word become one with the list of their inputs. Null: each is a run of its own. */
  collect: collectField.nullable().default(null),
};
const INNER_NAMES = { timeout: "timeoutMs", ttl: "ttlMs", deadline: "deadlineMs" } as const;

const codec = fieldGroup(policyFields, INNER_NAMES);

/** Durations in milliseconds. */
export type TaskPolicy = z.output<typeof codec>;

export const DEFAULT_POLICY: TaskPolicy = deepFreeze(codec.decode({}));

/** What holds for a call of a function that asks for nothing else: it is tried once, and its caller decides what to do about a failure. */
export const CALL_POLICY: TaskPolicy = {
  ...DEFAULT_POLICY,
  retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 },
  deadLetter: false,
};

/** Of a run that has no task: of a call, which is tried so often (null: once), or of a callback, which is tried like a task's. */
export function policyWithoutTask(trigger: RunTrigger, maxAttempts: number | null): TaskPolicy {
  if (trigger === "callback") return DEFAULT_POLICY;
  return maxAttempts === null
    ? CALL_POLICY
    : { ...CALL_POLICY, retry: { ...CALL_POLICY.retry, maxAttempts } };
}

/** Takes the policy out of the fields of a validated task. */
export const pickPolicy = (fields: { [Field in keyof typeof policyFields]: unknown }): TaskPolicy =>
  toInner(policyFields, INNER_NAMES, fields) as TaskPolicy;

/** The fields of an answer. */
export const shownPolicy = toShown(codec).shape;

export type WirePolicy = z.output<Shown<typeof codec>>;

const encodePolicy = (policy: TaskPolicy) => codec.encode(policy) as WirePolicy;

/** Of policies that many tasks share. */
const wires = new WeakMap<TaskPolicy, WirePolicy>();

/** Many tasks are to have this very policy: what is made of it is made once. */
export const sharePolicy = (policy: TaskPolicy) => void wires.set(policy, deepFreeze(encodePolicy(policy)));

export const isShared = (policy: TaskPolicy) => wires.has(policy);

sharePolicy(DEFAULT_POLICY);

export const toWirePolicy = (policy: TaskPolicy) => wires.get(policy) ?? encodePolicy(policy);
