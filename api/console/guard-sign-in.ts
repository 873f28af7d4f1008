/** What may be asked without a key of those who sign in: so often from one address, so much at once. */
import type { Context } from "hono";
import type { z } from "zod";
import { BellhopError } from "../../core/errors.ts";
import { findClientAddress } from "../../core/proxies.ts";
import { parseJson, validate } from "../bodies/body.ts";
import { holdBytes, receiveBody } from "../bodies/receive-body.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";

/** Of one address. A code cannot be guessed: this is for the sake of the database and of the OpenID provider. */
export const SIGN_INS = { limit: 20, perMs: 60_000 };
const NO_NAMESPACE = "00000000-0000-0000-0000-000000000000";

export const addressOf = (context: Context<ApiEnv>, { proxies }: ApiParts): string | null => {
  const peer = incomingOf(context)?.socket.remoteAddress;
  return peer === undefined ? null : findClientAddress(peer, context.req.header("x-forwarded-for"), proxies);
};

/** 429 for an address from which too many come. `step`: of what; each is counted by itself. */
export function demandPatience(parts: ApiParts, context: Context<ApiEnv>, step: string): void {
  const { isTaken, nextInMs } = parts.requestRates.take(`${step} ${addressOf(context, parts)}`, SIGN_INS);
  if (isTaken) return;
  const seconds = Math.ceil(nextInMs / 1_000);
  const message = `Too many sign-ins from this address; try again in ${seconds} s.`;
  throw new BellhopError("rate_limited", 429, message, [], seconds);
}

export async function readSignInBody<Schema extends z.ZodType>(
  { edge }: ApiParts,
  context: Context<ApiEnv>,
  schema: Schema,
  maxBytes: number,
): Promise<z.output<Schema>> {
  const held = holdBytes(edge, { namespaceId: NO_NAMESPACE, functionId: NO_NAMESPACE });
  const tooLarge = () =>
    new BellhopError("body_too_large", 413, `The body may have at most ${maxBytes} bytes.`);
  try {
    const received = { request: context.req.raw, incoming: incomingOf(context) };
    const body = await receiveBody(edge, received, held, maxBytes, tooLarge);
    return validate(schema, parseJson(body.toString()));
  } finally {
    held.release();
  }
}
