/** Reading what callers send: bounded, JSON, validated. */
import type { Context, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { IN_PLAIN_WORDS, shortenName } from "../../core/contracts/plain-words.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { isNestedDeeper } from "../../core/json-depth.ts";
import type { Shares } from "../../core/shares.ts";
import { newId } from "../../core/store/ids.ts";
import type { Edge } from "../edge/edge.ts";
import { type ApiEnv, incomingOf, ownIncomingOf } from "../environment.ts";
import { headerOf } from "../http/header-of.ts";
import { toInputError } from "../http/problem.ts";
import { findCrowdedField } from "./bounds.ts";
import { announcedBytes, hasArrived, holdBytes, receiveAfterLook, takeArrived } from "./receive-body.ts";
import { refuseUnstorable } from "./stored-text.ts";

export const MAX_BODY_BYTES = 2_000_000;

/** What a route takes, other than most do. */
export interface BodyBound {
  maxBytes: number;
  /** What it is counted in until its request is answered: the route goes on holding what it has read. */
  shares: Shares;
}
export const MAX_DEPTH = 200;
/** Of these a request (as `fetch` has it) carries none, and no route asks for one. */
const METHODS_WITHOUT_BODY = new Set(["GET", "HEAD", "TRACE"]);

/**
 * 413 beyond MAX_BODY_BYTES, or what `boundOf` says, 408 below the least rate. A body that has come with its head need not be touched for it;
 * another one is counted until its route reads it.
 * @param onLate called once a body has come that was waited for: whose request it was may be over by then
 */
export function limitBody(
  edge: Edge,
  onLate: (context: Context<ApiEnv>) => Promise<void>,
  boundOf: (context: Context<ApiEnv>) => BodyBound | undefined = () => undefined,
): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const { raw: request } = context.req;
    const announced = announcedBytes(request);
    const bound = boundOf(context);
    const maxBytes = bound?.maxBytes ?? MAX_BODY_BYTES;
    if (announced !== undefined && !(announced <= maxBytes)) throw bodyTooLarge(maxBytes);
    if (METHODS_WITHOUT_BODY.has(request.method)) return await next();
    if (announced !== 0) refuseEncoding(context);
    const incoming = incomingOf(context);
    const isHere = incoming ? await hasArrived(incoming) : announced !== undefined;
    if (isHere && !bound) return await next();
    // It belongs to no function: the namespace's share is what bounds it.
    const claimant = { namespaceId: context.get("owner").namespaceId, functionId: newId() };
    const held = holdBytes({ bodies: bound?.shares ?? edge.bodies }, claimant);
    try {
      if (isHere) {
        // Of an upload, which is held until it is built.
        held.add(announced ?? 0);
        return await next();
      }
      const bytes = await receiveAfterLook(edge, { request, incoming }, held, maxBytes, () =>
        bodyTooLarge(maxBytes),
      );
      context.req.raw = handOver(request, bytes, bound ? () => {} : held.release);
      await onLate(context);
      await next();
    } finally {
      held.release();
    }
  };
}

/** What a body swells to would be counted by nobody; JSON of two megabytes needs no encoding. */
function refuseEncoding(context: Context): void {
  const coding = headerOf(context, "content-encoding")?.trim().toLowerCase() ?? "";
  if (coding === "" || coding === "identity") return;
  context.header("accept-encoding", "identity");
  const message = `The body is sent with "Content-Encoding: ${shortenName(coding)}"; send it without an encoding.`;
  throw new BellhopError("unsupported_media_type", 415, message);
}

/** The request with its body at hand. Once that is read nothing here has it any more. */
function handOver(request: Request, received: Buffer, onRead: () => void): Request {
  let bytes: Buffer | undefined = received;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (bytes?.byteLength) controller.enqueue(bytes);
        bytes = undefined;
        controller.close();
        onRead();
      },
    },
    { highWaterMark: 0 },
  );
  return new Request(request, { body, duplex: "half" });
}

function bodyTooLarge(maxBytes: number): BellhopError {
  return new BellhopError("body_too_large", 413, `A body holds at most ${maxBytes} bytes.`);
}

export interface JsonBody {
  value: Json;
  /** What it was parsed from. */
  text: string;
}

/**
 * The JSON body; 415 for another type, 400 for no JSON, 422 for text that cannot be stored. An absent body is undefined
 * where `optional`.
 */
export async function readJson(
  context: Context,
  options: { optional?: boolean } = {},
): Promise<Json | undefined> {
  const text = await readText(context);
  if (text === "" && options.optional) return undefined;
  const value = parseJson(text);
  refuseUnstorable(value, text);
  return value;
}

/**
 * The JSON body and its text, for a route that keeps some of that and asks `refuseUnstorable` about the rest. An absent
 * one is `{}` where `optional`.
 */
export async function readJsonBody(
  context: Context,
  options: { optional?: boolean } = {},
): Promise<JsonBody> {
  const given = await readText(context);
  const text = given === "" && options.optional ? "{}" : given;
  return { value: parseJson(text), text };
}

async function readText(context: Context): Promise<string> {
  const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  const text = decodeText(takeArrived(ownIncomingOf(context))) ?? (await context.req.text());
  // It is read once: a route that waits for minutes need not keep it.
  context.req.bodyCache = {};
  // curl -d sends a form's type; what is JSON is taken as JSON, browsers' cross-site forms carry no key anyway.
  if (type === "multipart/form-data" && text !== "")
    throw new BellhopError("unsupported_media_type", 415, "This takes application/json.");
  return text;
}

const decoder = new TextDecoder();

/** As a request's own `text()` decodes it: a byte order mark is dropped. */
const decodeText = (bytes: Buffer | undefined) => bytes && decoder.decode(bytes);

/** 400 where it is no JSON, or nested too deeply. */
export function parseJson(text: string): Json {
  if (text.trim() === "") throw new BellhopError("invalid_json", 400, "A JSON body is needed.");
  if (isNestedDeeper(text, MAX_DEPTH)) {
    throw new BellhopError("invalid_json", 400, `The body is nested more than ${MAX_DEPTH} levels deep.`);
  }
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new BellhopError(
      "invalid_json",
      400,
      `The body is not valid JSON: ${whereItBreaks(error as Error)}.`,
    );
  }
}

/** The parser's own message is for JavaScript programmers, and quotes what it was given. */
function whereItBreaks({ message }: Error): string {
  const place = /line (\d+) column (\d+)/.exec(message);
  if (place) return `it breaks at line ${place[1]}, column ${place[2]}`;
  if (/end of JSON/.test(message)) return "it ends too early";
  const token = /^Unexpected token '(.)'/u.exec(message)?.[1];
  return token === undefined ? "it cannot be read" : `${JSON.stringify(token)} stands where it may not`;
}

/** The fields that hold JSON of the author's own: no schema looks into them. */
const FREE_FIELDS = new Set(["input", "body"]);
/** More than any field may have but the dates of a calendar, the headers of a task and the files of an upload among them. */
export const MAX_ENTRIES = 1_000;

/** @param maxEntries of a field, and of the whole */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  maxEntries = MAX_ENTRIES,
): z.output<Schema> {
  refuseCrowded(input, maxEntries);
  const parsed = schema.safeParse(input, IN_PLAIN_WORDS);
  if (parsed.success) return parsed.data;
  throw toInputError(parsed.error);
}

/** 422 for more entries than anybody should walk through. */
export function refuseCrowded(input: unknown, maxEntries = MAX_ENTRIES): void {
  const crowded = findCrowdedField(input, maxEntries, FREE_FIELDS);
  if (crowded !== undefined) throw tooManyEntries(crowded, maxEntries);
}

function tooManyEntries(field: string, most: number): BellhopError {
  if (field === "")
    return new BellhopError("invalid_input", 422, `The input holds more than ${most} fields.`);
  return invalidField(shortenName(field), `holds more than ${most} entries`);
}
