/** Hooks whose callers have to sign: the signature is looked at before anything is written. */
import type { Context } from "hono";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import type { HookVerification } from "../../core/domain/hook.ts";
import { BellhopError } from "../../core/errors.ts";
import {
  identifyDelivery,
  isSignedBy,
  isTimely,
  readSignature,
  type SignatureClaim,
} from "../../core/secrets/hook-signature.ts";
import type { QueryScope } from "../../core/store/database.ts";
import type { HookTarget } from "../../core/store/functions/hooks.ts";
import type { IdempotentRequest } from "../../core/store/idempotency.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hashRequest } from "../http/idempotency.ts";
import { requireKnown } from "../tasks/require-secrets.ts";
import { openHookKeys } from "./open-hook-keys.ts";

/** The same for whatever is wrong: who guesses learns nothing. */
const refused = () => new BellhopError("invalid_signature", 401, PROBLEM_CODES.invalid_signature);

interface Delivery {
  /** Undefined: its sender does not tell it from others. */
  once: IdempotentRequest | undefined;
}

/**
 * Refuses by its headers what cannot be verified, before its body is read; answers what verifies the body. Undefined where
 * the hook asks for no signature.
 */
export async function openVerification(
  parts: ApiParts,
  context: Context<ApiEnv>,
  hook: HookTarget,
): Promise<((body: Buffer) => Delivery) | undefined> {
  const { verify } = hook;
  if (!verify) return undefined;
  const claim = readSignature(verify.scheme, (name) => context.req.header(name));
  if (!claim || !isTimely(claim, verify.toleranceMs, parts.clock.now().getTime())) throw refused();
  const keys = await openHookKeys(parts, hook, verify);
  return (body) => {
    if (!isSignedBy(keys, claim, body)) throw refused();
    return { once: toOnce(hook, claim, body) };
  };
}

/** A delivery that comes again is the same whatever has become of its body: senders add how often they have tried. */
function toOnce(hook: HookTarget, claim: SignatureClaim, body: Buffer): IdempotentRequest | undefined {
  const key = identifyDelivery(claim, body);
  return key === undefined ? undefined : toIdempotent(hook, key, []);
}

/** A sender that tries again signs anew: only what it sends is the same. */
export function toIdempotent(
  { namespaceId, hookId }: HookTarget,
  key: string,
  sent: string[],
): IdempotentRequest {
  return { namespaceId, operation: `hooks/${hookId}`, key, requestHash: hashRequest(sent) };
}

/** 422 `unknown_secret` where the namespace lacks one that the hook names. */
export async function requireHookSecrets(
  scope: QueryScope,
  namespaceId: string,
  verify: HookVerification | null,
): Promise<void> {
  const mentions = (verify?.secrets ?? []).map((name, at) => ({
    path: ["verify", "secrets", `${at}`],
    name,
  }));
  await requireKnown(scope, namespaceId, mentions);
}
