/** What a task does, by its type: the fields each type has on the wire, which are stored as they come out of here. */
import { z } from "zod";
import { findPortFault } from "../domain/blocked-ports.ts";
import { type FoundSecrets, findSecrets, type SpecFault } from "../domain/secrets-in-spec.ts";
import type { TaskSpec, TaskType } from "../domain/task-spec.ts";
import type { Json } from "../json.ts";
import type { JsonSource } from "../json-source.ts";
import { jsonOutput, lineField, nameField, revisionField } from "./common.ts";
import { parseMailbox } from "./mailbox.ts";

/** The URL parser would drop line breaks and tabs, silently. */
export const httpUrl = lineField("a URL")
  .max(8_192)
  .superRefine((text, context) => {
    const url = URL.parse(text);
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      context.addIssue({ code: "custom", message: "must be an absolute http:// or https:// URL" });
      return;
    }
    const portFault = findPortFault(url);
    if (portFault) context.addIssue({ code: "custom", message: portFault });
  });

/** What no byte of a header's value can say, or must not. */
export function findHeaderFault(value: string): string | undefined {
  // By code points, so that a pair of surrogates is shown as the one character it is.
  const wide = [...value].find((character) => character > "\u00ff");
  if (wide !== undefined) {
    const code = wide.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    return `holds ${JSON.stringify(wide)} (U+${code}); a header value cannot hold characters above U+00FF, so encode it`;
  }
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
    ? undefined
    : "a header value holds no line break or control character";
}

/** Bytes 80 to FF are HTTP's opaque text, in whatever encoding the author's server reads them. */
const headers = z
  .record(
    z
      .string()
      .regex(
        /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/,
        "is not a valid header name: letters, digits and dashes, 256 at most",
      ),
    z
      .string()
      .max(8_192)
      .superRefine((value, context) => {
        const message = findHeaderFault(value);
        if (message) context.addIssue({ code: "custom", message });
      }),
  )
  .refine((all) => Object.keys(all).length <= 100, "at most 100 headers");

export const emailAddress = lineField("an address")
  .max(512)
  .refine(
    (text) => parseMailbox(text) !== undefined,
    'must be one address such as user@example.com or "Doe, Jane" <user@example.com>',
  );
const addresses = (min: number) =>
  z.union([emailAddress.transform((one) => [one]), z.array(emailAddress).min(min).max(100)], {
    error: "must be an address or a list of addresses, without line breaks and control characters",
  });

/** What JSON.parse made; its depth is bounded where bodies are read. */
const json = z.custom<Json>((value) => value !== undefined);

/** What is stored with a spec, and neither written nor shown by anybody. */
type Hidden = "type" | "secretsIn";

type FieldsOf<Spec extends TaskSpec> = { [Field in Exclude<keyof Spec, Hidden>]-?: z.ZodType };

/** A type that is missing here, or a field of it, does not compile. */
export const specFields = {
  http: {
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
  },
  email: {
    from: emailAddress.optional(),
    to: addresses(1),
    cc: addresses(0).default([]),
    bcc: addresses(0).default([]),
    replyTo: emailAddress.optional(),
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
  },
  function: {
    function: nameField,
    tag: nameField.optional(),
    revision: revisionField.optional(),
    input: json.default(null),
  },
} satisfies { [Type in TaskType]: FieldsOf<Extract<TaskSpec, { type: Type }>> };

type ShownOf<Spec extends TaskSpec> = {
  [Field in Exclude<keyof Spec, Hidden>]-?: z.ZodType<Spec[Field]>;
};

const attachmentOutput = z.object({
  filename: z.string(),
  content: z.string().meta({ description: "Base64." }),
  contentType: z.string().exactOptional(),
});

/** As its author wrote it, where it is JSON. */
const sourceOutput = z
  .custom<Json | JsonSource>((value) => value !== undefined)
  .meta({ description: "Any JSON value, exactly as written." });

/** The same fields in an answer: defaults filled in. */
export const shownSpecFields = {
  http: {
    url: z.string(),
    method: z.string(),
    headers: z.record(z.string(), z.string()),
    body: sourceOutput.optional(),
    followRedirects: z.union([z.boolean(), z.literal("as-get")]),
    expectStatus: z.array(z.int()).optional(),
  },
  email: {
    from: z.string().optional(),
    to: z.array(z.string()),
    cc: z.array(z.string()),
    bcc: z.array(z.string()),
    replyTo: z.string().optional(),
    subject: z.string(),
    body: z.string().optional(),
    html: z.string().optional(),
    attachments: z.array(attachmentOutput),
  },
  function: {
    function: z.string(),
    tag: z.string().optional(),
    revision: z.string().optional().meta({ description: "The revision's id." }),
    input: jsonOutput,
  },
} satisfies { [Type in TaskType]: ShownOf<Extract<TaskSpec, { type: Type }>> };

/** What is wrong with a spec as a whole, where its fields are right one by one. */
export function findSpecFaults(spec: TaskSpec, secrets: FoundSecrets = findSecrets(spec)): SpecFault[] {
  const isEmpty = spec.type === "email" && spec.body === undefined && spec.html === undefined;
  return [...(isEmpty ? [{ path: ["body"], message: "a body or html is needed" }] : []), ...secrets.faults];
}

/** A spec as its author wrote it. */
export function shownSpec(spec: TaskSpec): TaskSpec {
  if (!("secretsIn" in spec)) return spec;
  const { secretsIn: _, ...shown } = spec;
  return shown;
}

/** The field that holds JSON of the author's own, where null is a value like any other. */
export const OWN_JSON_FIELD: Record<TaskType, "body" | "input" | undefined> = {
  http: "body",
  email: undefined,
  function: "input",
};

/** What to say to somebody who gives a run of the task a field that is not its own. */
export const OWN_JSON_HINT: Record<TaskType, string> = {
  http: "an http task has a `body` in place of it",
  email: "an e-mail is sent as its task says: leave it out",
  function: "a function's task has an `input` in place of it",
};
