/** `/console/oidc/…`: how the console's page signs in at the OpenID provider. */
import { begunSignInOutput, returnedSignInInput, sessionOutput } from "../../core/contracts/console.ts";
import { BellhopError } from "../../core/errors.ts";
import type { ApiParts } from "../environment.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { demandPatience, readSignInBody } from "./guard-sign-in.ts";
import type { OidcSignIn } from "./oidc-sign-in.ts";

export const MAX_RETURNED_BYTES = 8_000;

function requireSignIn({ oidcSignIn }: ApiParts): OidcSignIn {
  if (oidcSignIn) return oidcSignIn;
  throw new BellhopError("not_found", 404, "This installation has no sign-in at an OpenID provider.");
}

const beginRoute = defineRoute({
  method: "POST",
  path: "/console/oidc/begin",
  operationId: "beginOidcSignIn",
  summary: "Begin signing in to the console at the OpenID provider",
  description:
    "The page stores the response until the provider sends the browser back, and goes to `url`. The API stores nothing.",
  access: null,
  idempotency: { by: null, why: "Each is another attempt; one that is not finished leaves nothing behind." },
  answers: { 200: { is: "Where to go, and what to store meanwhile.", schema: begunSignInOutput } },
  errors: {
    401: ["sign_in_refused"],
    404: ["not_found"],
    429: ["rate_limited"],
    503: ["issuer_unavailable"],
  },
  async handle({ parts, context }) {
    const signIn = requireSignIn(parts);
    demandPatience(parts, context, "begin");
    context.header("cache-control", "no-store");
    return { status: 200, body: await signIn.begin() };
  },
});

const finishRoute = defineRoute({
  method: "POST",
  path: "/console/oidc/finish",
  operationId: "finishOidcSignIn",
  summary: "Finish signing in to the console at the OpenID provider",
  description: "The provider's code is exchanged for an ID token, which the page then sends to the API.",
  access: null,
  idempotency: { by: null, why: "A code works once, at the provider." },
  ownBody: { content: { "application/json": returnedSignInInput } },
  answers: { 200: { is: "The session's token.", schema: sessionOutput } },
  errors: {
    400: ["bad_request", "invalid_json"],
    401: ["sign_in_refused", "unauthenticated"],
    403: ["forbidden"],
    404: ["not_found"],
    408: ["request_body_too_slow"],
    413: ["body_too_large"],
    422: ["invalid_input"],
    429: ["rate_limited"],
    503: ["issuer_unavailable", "too_many_bodies"],
  },
  async handle({ parts, context }) {
    const signIn = requireSignIn(parts);
    demandPatience(parts, context, "finish");
    const returned = await readSignInBody(parts, context, returnedSignInInput, MAX_RETURNED_BYTES);
    context.header("cache-control", "no-store");
    const key = await signIn.finish(returned);
    const owner = await parts.keyring.findOwner(key);
    return { status: 200, body: { key, expiresAt: owner!.expiresAt!.toISOString() } };
  },
});

export const oidcRoutes: Route[] = [beginRoute, finishRoute];
