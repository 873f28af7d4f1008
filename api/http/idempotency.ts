/**
 * `Idempotency-Key`: a request that is sent again does nothing again. Of a POST answer-once.ts sees to that, but for the
 * routes that say why not (`idempotency` in route.ts): those that find by themselves what was made use what is here.
 */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { writeJson } from "../../core/json-source.ts";
import type { IdempotentRequest } from "../../core/store/idempotency.ts";
import type { ApiEnv } from "../environment.ts";
import { headerOf } from "./header-of.ts";

const KEY = /^[\x21-\x7e]{1,255}$/;
const HEADER = "idempotency-key";
export const REPLAYED_HEADER = "idempotency-replayed";

/** The value of the first of these headers that is there; 400 where it is no key. */
export function readIdempotencyKey(
  context: Context,
  headers: readonly string[] = [HEADER],
): string | undefined {
  for (const name of headers) {
    const key = headerOf(context, name);
    if (key === undefined) continue;
    if (KEY.test(key)) return key;
    const message = `${name} is 1 to 255 visible ASCII characters.`;
    throw new BellhopError("invalid_idempotency_key", 400, message, [{ field: name, message }]);
  }
  return undefined;
}

/** SHA-256 of what a repetition of the request must have in common with it. */
export function hashRequest(parts: Json[]): Buffer {
  return createHash("sha256").update(writeJson(parts)).digest();
}

/** The caller's request under its key; undefined where it has none. `parts` as for `hashRequest`. */
export function readIdempotentRequest(
  context: Context<ApiEnv>,
  operation: string,
  parts: Json[],
): IdempotentRequest | undefined {
  const key = readIdempotencyKey(context);
  if (key === undefined) return undefined;
  const { namespaceId } = context.get("owner");
  return { namespaceId, operation, key, requestHash: hashRequest(parts) };
}

/** Says that the answer is about what an earlier request made. */
export function markReplay(context: Context): void {
  context.header(REPLAYED_HEADER, "true");
}
