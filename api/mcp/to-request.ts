/** A tool's arguments as the request that its operation takes. What is wrong with them otherwise, the route says. */
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { bodySchemaOf, type DescribedTool, IDEMPOTENCY_ARGUMENT } from "./describe-tools.ts";

/** About as much as the head of any request holds: this one has no server in front of it that looks. */
export const MAX_PATH_CHARACTERS = 16_000;

export interface ToolRequest {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export function toRequest({ tool, route, shown }: DescribedTool, given: JsonObject): ToolRequest {
  const rest = new Map(Object.entries(given));
  const take = (name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return value;
  };
  const key = IDEMPOTENCY_ARGUMENT in shown.inputSchema.properties ? take(IDEMPOTENCY_ARGUMENT) : undefined;
  const path = route.path.replaceAll(/:(\w+)/g, (_all, name: string) => toSegment(name, take(name)));
  const query = new URLSearchParams();
  for (const name of Object.keys(route.query?.shape ?? {}))
    if (name in shown.inputSchema.properties) addToQuery(query, name, take(name));
  const hasBody = bodySchemaOf(route) !== undefined;
  const whole = tool.bodyAs === undefined ? undefined : take(tool.bodyAs);
  const [unknown] = hasBody && tool.bodyAs === undefined ? [] : rest.keys();
  if (unknown !== undefined) throw invalidField(unknown, "unknown field");
  const body = tool.bodyAs === undefined ? Object.fromEntries(rest) : whole;
  if (body === undefined && shown.inputSchema.required?.includes(tool.bodyAs!))
    throw invalidField(tool.bodyAs!, "is missing");
  return {
    method: route.method,
    path: bounded(query.size === 0 ? path : `${path}?${query}`),
    headers: key === undefined ? {} : { "idempotency-key": toHeader(IDEMPOTENCY_ARGUMENT, key) },
    body: hasBody && body !== undefined ? JSON.stringify(body) : undefined,
  };
}

function bounded(path: string): string {
  if (path.length <= MAX_PATH_CHARACTERS) return path;
  const message = `With these names and filters the address is longer than ${MAX_PATH_CHARACTERS} characters.`;
  throw new BellhopError("invalid_input", 422, message);
}

/** One segment, whatever it holds: a URL takes `..` for a way up, also where it is encoded. */
function toSegment(name: string, value: Json | undefined): string {
  if (typeof value !== "string" && typeof value !== "number")
    throw invalidField(name, value === undefined ? "is missing" : "must be text");
  const text = String(value);
  if (text === "" || /^\.{1,2}$/.test(text) || !text.isWellFormed())
    throw invalidField(name, "nothing has this name");
  return encodeURIComponent(text);
}

/** A list is a parameter that is given repeatedly, an object is written as JSON; null is not given at all. */
function addToQuery(query: URLSearchParams, name: string, value: Json | undefined): void {
  if (value === undefined || value === null) return;
  for (const each of Array.isArray(value) ? value : [value])
    query.append(name, typeof each === "string" ? each : JSON.stringify(each));
}

function toHeader(name: string, value: Json): string {
  if (typeof value !== "string" || !/^[\x20-\x7e]+$/.test(value))
    throw invalidField(name, "must be printable ASCII");
  return value;
}
