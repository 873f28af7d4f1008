/** `POST /console/sign-in`: the code of a sign-in link for a key that lasts one session. The code stands in no log and no error. */
import { sessionOutput, signInInput } from "../../core/contracts/console.ts";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { BellhopError } from "../../core/errors.ts";
import { recordAudit } from "../../core/store/audit-log.ts";
import { newId } from "../../core/store/ids.ts";
import { DEFAULT_NAMESPACE, ensureNamespace, SETTING_KEY_NAME } from "../../core/store/keys.ts";
import { createKey, type NewKey } from "../../core/store/manage-keys.ts";
import { useSignInCode } from "../../core/store/sign-in-codes.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import type { ApiParts } from "../environment.ts";
import { defineRoute } from "../http/route.ts";
import { addressOf, demandPatience, readSignInBody } from "./guard-sign-in.ts";

export const SESSION_MS = 12 * 60 * 60_000;
export const SESSION_KEY_NAME = "console";
export const MAX_SIGN_IN_BYTES = 1_000;

export const signInRoute = defineRoute({
  method: "POST",
  path: "/console/sign-in",
  operationId: "signInToConsole",
  summary: "Sign in to the console with a link that works once",
  description:
    "`npm start` prints the link. The key it is exchanged for is an operator's, of the namespace `default`, and expires after 12 hours.",
  access: null,
  idempotency: {
    by: null,
    why: "A code works once: whoever sends it again is told so, and gets no second key.",
  },
  ownBody: { content: { "application/json": signInInput } },
  answers: { 201: { is: "The session's key.", schema: sessionOutput } },
  errors: {
    400: ["bad_request", "invalid_json"],
    401: ["sign_in_code_invalid"],
    408: ["request_body_too_slow"],
    409: ["too_many_keys"],
    413: ["body_too_large"],
    422: ["invalid_input"],
    429: ["rate_limited"],
    503: ["too_many_bodies"],
  },
  async handle({ parts, context }) {
    demandPatience(parts, context, "sign-in");
    const { code } = await readSignInBody(parts, context, signInInput, MAX_SIGN_IN_BYTES);
    context.header("cache-control", "no-store");
    return { status: 201, body: await signIn(parts, code, addressOf(context, parts)) };
  },
});

/** The code, the key and the entry in the audit log are one transaction: a code is used up only by who gets the key. */
async function signIn({ store, clock }: ApiParts, code: string, address: string | null) {
  const expiresAt = new Date(clock.now().getTime() + SESSION_MS);
  const namespaceId = await ensureNamespace(store.db, DEFAULT_NAMESPACE);
  const secret = await inTransaction(store.pool, async (tx) => {
    if (!(await useSignInCode(tx, code)))
      throw new BellhopError("sign_in_code_invalid", 401, PROBLEM_CODES.sign_in_code_invalid);
    const given: NewKey = {
      ...{ id: newId(), namespaceId, name: SESSION_KEY_NAME, scopes: ["operator"] },
      ...{ functions: null, expiresAt },
    };
    const made = await createKey(tx, given);
    const after = { name: given.name, scopes: given.scopes, expiresAt: expiresAt.toISOString() };
    await recordAudit(tx, {
      ...{ id: newId(), namespaceId, isOfInstallation: false, action: "signInToConsole", status: 201 },
      ...{ resource: `keys/${given.id}`, actorKind: "setting", actorKeyId: given.id },
      ...{ actorName: SETTING_KEY_NAME, address, before: null, after },
    });
    return made.secret;
  });
  return { key: secret, expiresAt: expiresAt.toISOString() };
}
