/** Reading what callers send: bounded, JSON, validated. */
import type { Context, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { BellhopError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Edge } from "./edge.ts";
import { type ApiEnv, incomingOf } from "./environment.ts";
import { toInputError } from "./problem.ts";
import { announcedBytes, holdBytes, receiveBody } from "./receive-body.ts";

export const MAX_BODY_BYTES = 2_000_000;
const MAX_DEPTH = 200;

/** 413 beyond MAX_BODY_BYTES, 408 below the least rate. A body that has come with its head need not be touched for it. */
export function limitBody(edge: Edge): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const { raw: request } = context.req;
    const announced = announcedBytes(request);
    if (announced !== undefined && !(announced <= MAX_BODY_BYTES)) throw bodyTooLarge();
    const incoming = incomingOf(context);
    const hasArrived = incoming ? incoming.complete : announced !== undefined;
    if (hasArrived || request.method === "GET" || request.method === "HEAD") return await next();
    const { namespaceId } = context.get("owner");
    const held = holdBytes(edge, { namespaceId, functionId: namespaceId });
    try {
      const body = await receiveBody(edge, { request, incoming }, held, MAX_BODY_BYTES, bodyTooLarge);
      context.req.raw = new Request(request, { body: body });
      await next();
    } finally {
      held.release();
    }
  };
}

function bodyTooLarge(): BellhopError {
  return new BellhopError("body_too_large", 413, `A body holds at most ${MAX_BODY_BYTES} bytes.`);
}

/** The JSON body; 415 for another type, 400 for no JSON. An absent body is undefined where `optional`. */
export async function readJson(
  context: Context,
  options: { optional?: boolean } = {},
): Promise<Json | undefined> {
  const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  const text = await context.req.text();
  if (text === "" && options.optional) return undefined;
  // curl -d sends a form's type; what is JSON is taken as JSON, browsers' cross-site forms carry no key anyway.
  if (type === "multipart/form-data")
    throw new BellhopError("unsupported_media_type", 415, "This takes application/json.");
  const body = parseJson(text);
  if (isDeeperThan(body, MAX_DEPTH)) {
    throw new BellhopError("invalid_json", 400, `The body is nested more than ${MAX_DEPTH} levels deep.`);
  }
  return body;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new BellhopError("invalid_json", 400, `The body is not valid JSON: ${(error as Error).message}`);
  }
}

/** Level by level: recursion is what a deep body would break. */
function isDeeperThan(value: Json, max: number): boolean {
  let level: Json[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > max) return true;
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
  return false;
}

export function validate<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw toInputError(parsed.error);
}
