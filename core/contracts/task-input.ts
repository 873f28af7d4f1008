/** A task as its author writes it. Unknown fields are refused by name, so that a typo is not silently a default. */
import { z } from "zod";
import { findPortFault } from "../domain/blocked-ports.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "../domain/retry.ts";
import { findCronFault, isTimezone, MIN_EVERY_MS, ONCE_GRACE_MS, type Schedule } from "../domain/schedule.ts";
import type { TaskSpec } from "../domain/task-spec.ts";
import type { Json } from "../json.ts";
import { durationField, instantField, lineField, nameField } from "./common.ts";

export const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 3_600_000;

/** The URL parser would drop line breaks and tabs, silently. */
const httpUrl = lineField("a URL")
  .max(8_192)
  .superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      context.addIssue({ code: "custom", message: "must be an absolute http:// or https:// URL" });
      return;
    }
    const portFault = findPortFault(url);
    if (portFault) context.addIssue({ code: "custom", message: portFault });
  });

/** Bytes 80 to FF are HTTP's opaque text, in whatever encoding the author's server reads them. */
const headers = z
  .record(
    z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/, "is no header name"),
    z
      .string()
      .max(8_192)
      .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "a header value holds no line break or control character"),
  )
  .refine((all) => Object.keys(all).length <= 100, "at most 100 headers");

const address = lineField("an address")
  .max(512)
  .regex(
    /^(?:[^<>@,]*<[^\s<>@,]+@[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+)$/,
    "must be an address such as user@example.com",
  );
const addresses = (min: number) =>
  z.union([address.transform((one) => [one]), z.array(address).min(min).max(100)], {
    error: "must be an address or a list of addresses, without line breaks and control characters",
  });

/** What JSON.parse made; its depth is bounded where bodies are read. */
const json = z.custom<Json>((value) => value !== undefined);

const httpFields = {
  type: z.literal("http"),
  url: httpUrl,
  method: z
    .string()
    .transform((method) => method.toUpperCase())
    .pipe(z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
    .default("GET"),
  headers: headers.default({}),
  body: json.optional(),
  followRedirects: z
    .union([z.boolean(), z.literal("as-get")], 'must be true, false or "as-get"')
    .default(true),
  expectStatus: z.array(z.int().min(100).max(599)).min(1).max(50).optional(),
};

const emailFields = {
  type: z.literal("email"),
  from: address.optional(),
  to: addresses(1),
  cc: addresses(0).default([]),
  bcc: addresses(0).default([]),
  replyTo: address.optional(),
  subject: lineField("a subject").max(998),
  body: z.string().max(500_000).optional(),
  html: z.string().max(500_000).optional(),
  attachments: z
    .array(
      z.strictObject({
        filename: lineField("a file name").min(1).max(255),
        content: z.base64(),
        contentType: lineField("a content type").max(255).optional(),
      }),
    )
    .max(20)
    .default([]),
};

const functionFields = {
  type: z.literal("function"),
  function: nameField,
  tag: nameField.optional(),
  /** Its id or its number. */
  revision: z.string().min(1).max(64).optional(),
  input: json.default(null),
};

const retry = z
  .strictObject({
    maxAttempts: z.int().min(1).max(100).default(DEFAULT_RETRY.maxAttempts),
    backoff: z
      .strictObject({
        initial: durationField(1, 86_400_000).default(DEFAULT_RETRY.backoff.initialMs),
        factor: z.number().min(1).max(10).default(DEFAULT_RETRY.backoff.factor),
        max: durationField(1, 7 * 86_400_000).default(DEFAULT_RETRY.backoff.maxMs),
        jitter: z.boolean().default(true),
      })
      .prefault({}),
  })
  .prefault({});

function scheduleField(now: () => Date) {
  const wire = z.strictObject({
    at: instantField.optional(),
    delay: durationField(0).optional(),
    cron: z.string().max(256).optional(),
    timezone: z.string().max(64).optional(),
    every: durationField(MIN_EVERY_MS).optional(),
  });
  return wire.transform((given, context): Schedule => {
    const refuse = (message: string, path: string[] = []) => {
      context.addIssue({ code: "custom", message, path });
      return z.NEVER;
    };
    const kinds = (["at", "delay", "cron", "every"] as const).filter((kind) => given[kind] !== undefined);
    if (kinds.length !== 1) return refuse("holds exactly one of at, delay, cron, every");
    if (given.timezone !== undefined && given.cron === undefined)
      return refuse("only cron takes a timezone", ["timezone"]);
    if (given.at !== undefined) {
      if (given.at.getTime() < now().getTime() - ONCE_GRACE_MS) return refuse("lies in the past", ["at"]);
      return { kind: "once", at: given.at.toISOString() };
    }
    if (given.delay !== undefined) return { kind: "delay", delayMs: given.delay };
    if (given.every !== undefined) return { kind: "every", everyMs: given.every };
    const fault = findCronFault(given.cron!, now());
    if (fault) return refuse(fault, ["cron"]);
    const timezone = given.timezone ?? "UTC";
    if (!isTimezone(timezone))
      return refuse(`unknown timezone ${JSON.stringify(timezone)}; IANA names such as Europe/Rome`, [
        "timezone",
      ]);
    return { kind: "cron", expression: given.cron!.trim(), timezone };
  });
}

/** A validated task, defaults filled in, durations in milliseconds. */
export interface TaskInput {
  name: string | null;
  spec: TaskSpec;
  schedule: Schedule;
  retry: RetryPolicy;
  timeoutMs: number;
  deadLetter: boolean;
  labels: Record<string, string>;
}

/** The schema of `POST /v1/tasks`; `now` decides what lies in the past. */
export function taskInput(now: () => Date) {
  const shared = {
    name: lineField("a name").min(1).max(200).nullable().default(null),
    schedule: scheduleField(now).default({ kind: "now" }),
    retry,
    timeout: durationField(100, MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
    deadLetter: z.boolean().default(true),
    labels: z
      .record(
        z
          .string()
          .regex(
            /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
            "is not a valid label name: a letter or digit, then letters, digits and . _ / -, 63 at most",
          ),
        lineField("a label").max(256),
      )
      .refine((all) => Object.keys(all).length <= 32, "at most 32 labels")
      .default({}),
  };
  const email = z
    .strictObject({ ...emailFields, ...shared })
    .refine((given) => given.body !== undefined || given.html !== undefined, {
      message: "a body or html is needed",
      path: ["body"],
    });
  return z
    .discriminatedUnion(
      "type",
      [z.strictObject({ ...httpFields, ...shared }), email, z.strictObject({ ...functionFields, ...shared })],
      {
        error: (issue) =>
          issue.code === "invalid_union" ? "must be one of http, email, function" : undefined,
      },
    )
    .transform(
      ({ name, schedule, retry, timeout, deadLetter, labels, ...spec }): TaskInput => ({
        name,
        schedule,
        retry: {
          maxAttempts: retry.maxAttempts,
          backoff: {
            initialMs: retry.backoff.initial,
            factor: retry.backoff.factor,
            maxMs: retry.backoff.max,
            jitter: retry.backoff.jitter,
          },
        },
        timeoutMs: timeout,
        deadLetter,
        labels,
        spec: spec as TaskSpec,
      }),
    );
}

/** What a PATCH may name; the merged whole is validated by `taskInput`. */
export type TaskPatch = Record<string, Json>;
