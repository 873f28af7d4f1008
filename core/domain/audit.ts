/** What the audit log shows of a change: the fields that differ, without what may be secret. */
import { isDeepStrictEqual } from "node:util";
import type { Json, JsonObject } from "../json.ts";

/** Null: there was nothing before, or there is nothing after. */
export interface AuditedChange {
  before: JsonObject | null;
  after: JsonObject | null;
}

/** Characters of JSON that a field is shown with at most. */
export const MAX_AUDITED_CHARS = 4_096;
export const HIDDEN = "[hidden]";

/** What callers write there is content, and may be secret: that it changed is shown, and no more. */
const CONTENT_FIELDS = new Set(["attachments", "body", "html", "input", "subject"]);
/** The names in there are shown, and not their values. */
const NAMED_VALUES = new Set(["env", "headers"]);

export function describeChange(before: object | undefined, after: object | undefined): AuditedChange {
  const [from, to] = [toEntries(before), toEntries(after)];
  const differs = (name: string) => !from || !to || !isDeepStrictEqual(from.get(name), to.get(name));
  return { before: show(from, differs), after: show(to, differs) };
}

type Entries = Map<string, Json> | undefined;

const toEntries = (thing: object | undefined): Entries =>
  thing && new Map(Object.entries(thing).filter(([, value]) => value !== undefined));

function show(entries: Entries, isShown: (name: string) => boolean): JsonObject | null {
  if (!entries) return null;
  const shown = [...entries].filter(([name]) => isShown(name));
  return Object.fromEntries(shown.map(([name, value]) => [name, bound(showValue(name, value))]));
}

function showValue(name: string, value: Json | Date): Json {
  if (value === null) return null;
  if (value instanceof Date) return value.toISOString();
  if (CONTENT_FIELDS.has(name)) return HIDDEN;
  if (name === "url" && typeof value === "string") return showUrl(value);
  if (Array.isArray(value)) return value.map((each) => showValue("", each));
  if (typeof value !== "object") return value;
  const isNamed = NAMED_VALUES.has(name);
  const fields = Object.entries(value).map(([key, each]) => [key, isNamed ? HIDDEN : showValue(key, each)]);
  return Object.fromEntries(fields) as JsonObject;
}

/** Where it leads alone: what comes after that may be secret, as the paths of chats' webhooks are. */
function showUrl(text: string): string {
  const url = URL.parse(text);
  if (!url?.host) return HIDDEN;
  const origin = `${url.protocol}//${url.host}/`;
  return url.href === origin ? origin : `${origin}${HIDDEN}`;
}

function bound(value: Json): Json {
  const { length } = JSON.stringify(value);
  return length > MAX_AUDITED_CHARS ? `[${length} characters]` : value;
}
