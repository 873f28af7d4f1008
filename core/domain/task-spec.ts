import type { Json } from "../json.ts";
import type { JsonSource } from "../json-source.ts";

/** A field in which secrets of the namespace stand (`{{secrets.NAME}}`): of a URL its query. */
export type SecretField = "url" | "headers" | "body" | "subject" | "html";

/** What a task does, as stored: the wire shape after validation, defaults filled in. */
export interface HttpSpec {
  type: "http";
  method: string;
  url: string;
  headers: Record<string, string>;
  /** A string is sent as it is; anything else as JSON, to the letter where its author's text was kept. */
  body?: Json | JsonSource;
  /** `true`: the redirects that keep method and body; `as-get`: the others too, as a GET without body. */
  followRedirects: boolean | "as-get";
  /** Statuses that count as success; absent: 200–299. */
  expectStatus?: number[];
  /** Where secrets are put in before it is sent; absent: nowhere, whatever the texts look like. */
  secretsIn?: SecretField[];
}

export interface EmailSpec {
  type: "email";
  from?: string;
  to: string[];
  cc: string[];
  bcc: string[];
  replyTo?: string;
  subject: string;
  /** The text part. */
  body?: string;
  html?: string;
  /** `content` is base64. */
  attachments: { filename: string; content: string; contentType?: string }[];
  /** As of an http task. */
  secretsIn?: SecretField[];
}

export interface FunctionSpec {
  type: "function";
  function: string;
  /** In place of the function's traffic: a tag, or the id of a revision. Never both. */
  tag?: string;
  revision?: string;
  input: Json;
}

export const TASK_TYPES = ["http", "email", "function"] as const;
export type TaskType = (typeof TASK_TYPES)[number];

interface SpecsByType {
  http: HttpSpec;
  email: EmailSpec;
  function: FunctionSpec;
}
export type SpecOf<Type extends TaskType> = SpecsByType[Type];
export type TaskSpec = SpecOf<TaskType>;
