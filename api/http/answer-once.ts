/**
 * A request under an `Idempotency-Key` does what it does, and is answered, in one transaction with its key: a repetition
 * gets the same answer and does nothing. The handler need not know. What it refuses leaves the key free.
 */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { conflict } from "../../core/errors.ts";
import { type IdempotentRequest, keyReused } from "../../core/store/idempotency.ts";
import {
  type EarlierAnswer,
  type KeptAnswer,
  keepAnswer,
  takeKeyOrAnswer,
} from "../../core/store/kept-answers.ts";
import { readKey } from "../auth/authenticate.ts";
import { holdBody } from "../bodies/hold-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hashRequest, REPLAYED_HEADER } from "./idempotency.ts";
import { inOneTransaction } from "./in-one-transaction.ts";
import { openAnswer, sealAnswer } from "./seal-answer.ts";

/** As it is kept, in JSON. */
interface AnswerText {
  status: number;
  headers: Record<string, string>;
  body: string | null;
}

type Respond = (parts: ApiParts) => Promise<Response>;

/** 409 where a request with the key is still under way, or the earlier one's answer was not kept; 422 where it was another. */
export async function answerOnce(
  context: Context<ApiEnv>,
  parts: ApiParts,
  key: string,
  respond: Respond,
): Promise<Response> {
  const held = await holdBody(context);
  const request = describeRequest(context, key, held.text);
  const callerKey = readKey(context).key!;
  const answer = await inOneTransaction(parts, async (inside, tx) => {
    const earlier = await takeKeyOrAnswer(tx, request);
    if (earlier) return toRepeated(openKept(earlier, request, callerKey));
    held.putBack();
    const made = await readAnswer(await respond(inside));
    await keepAnswer(tx, request, toKept(made, request, callerKey));
    return made;
  });
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

function describeRequest(context: Context<ApiEnv>, key: string, body: string): IdempotentRequest {
  const { namespaceId } = context.get("owner");
  const { search } = new URL(context.req.url);
  const requestHash = hashRequest([search, body]);
  return { namespaceId, operation: nameOperation(context.req.path), key, requestHash };
}

const MAX_OPERATION_CHARS = 200;

/** A path without `/v1/`; what an index would not take is known by its hash. */
export function nameOperation(path: string): string {
  const name = path.replace(/^\/v1\//, "").replace(/\/$/, "");
  if (name.length <= MAX_OPERATION_CHARS) return name;
  return `sha256:${createHash("sha256").update(name).digest("hex")}`;
}

async function readAnswer(response: Response): Promise<AnswerText> {
  const { status, headers, body } = response;
  if (!response.ok) throw new Error(`a handler under an idempotency key answered ${status}; it must throw`);
  return { status, headers: Object.fromEntries(headers), body: body && (await response.text()) };
}

const toRepeated = (answer: AnswerText): AnswerText => ({
  ...answer,
  headers: { ...answer.headers, [REPLAYED_HEADER]: "true" },
});

/** What no cache may keep, we keep so that only its caller can read it. */
function toKept(answer: AnswerText, request: IdempotentRequest, callerKey: string): KeptAnswer {
  const text = Buffer.from(JSON.stringify(answer));
  const isSealed = answer.headers["cache-control"] === "no-store";
  return { isSealed, bytes: isSealed ? sealAnswer(callerKey, saltOf(request), text) : text };
}

function openKept(kept: EarlierAnswer, request: IdempotentRequest, callerKey: string): AnswerText {
  if (kept === "not kept")
    throw conflict(
      "The request with this idempotency key succeeded; its response was too large to be stored, or was erased.",
      "answer_not_kept",
    );
  const text = kept.isSealed ? openAnswer(callerKey, saltOf(request), kept.bytes) : kept.bytes;
  if (!text)
    throw keyReused(
      "This idempotency key was used with another API key, and only that key may see the response.",
    );
  return JSON.parse(text.toString()) as AnswerText;
}

const saltOf = ({ namespaceId, operation, key }: IdempotentRequest) =>
  hashRequest([namespaceId, operation, key]);
