/** Chapter "The console". */
import assert from "node:assert/strict";
import { SIGN_INS } from "../../../api/console/guard-sign-in.ts";
import { MAX_RETURNED_BYTES } from "../../../api/console/oidc-routes.ts";
import { MAX_SIGN_IN_BYTES, SESSION_MS } from "../../../api/console/sign-in.ts";
import { SIGN_IN_CODE_FOR_MS } from "../../../core/store/sign-in-codes.ts";
import { held, n, type Statement } from "./statement.ts";

const SIGN_IN = "api/console/sign-in.test.ts";
const OIDC = "api/console/oidc.test.ts";
const ROUTES = "api/console/routes.test.ts";
const EXCHANGED = "a code is exchanged for an operator's key that expires, once; the audit log has it";

export const CONSOLE: Statement[] = [
  held("302 to the [console](#the-console)", [ROUTES, "the root leads to it"]),
  held("201, [a session's key](#the-console)", [SIGN_IN, EXCHANGED]),
  held("200, [where to sign in](#the-console)", [OIDC, "who signs in at the provider gets a session"]),
  held("200, [a session's token](#the-console)", [OIDC, "who signs in at the provider gets a session"]),
  {
    says: "It works once, within an hour; one that is unknown, used or expired is a 401 sign_in_code_invalid",
    holds: () => assert.equal(SIGN_IN_CODE_FOR_MS, 3_600_000),
    heldBy: [
      [SIGN_IN, "a code that is unknown, expired or no code at all opens nothing, and is not repeated"],
    ],
  },
  held(`expires after ${SESSION_MS / 3_600_000} hours`, [SIGN_IN, EXCHANGED]),
  held(`Each address may make ${SIGN_INS.limit} sign-ins a minute, one more is a 429 rate_limited`, [
    SIGN_IN,
    "who tries again and again is told to wait",
  ]),
  held(
    "A response that does not belong to that attempt is a 401 sign_in_refused, which has the provider's error code",
    [OIDC, "what is not the end of this very attempt is refused"],
  ),
  held(`a body has no more than ${n(MAX_RETURNED_BYTES)} bytes. Without a provider both are a 404`, [
    OIDC,
    "what is no such body is refused by its field; where nobody signs in at a provider there is nothing",
  ]),
  held(`a body has at most ${n(MAX_SIGN_IN_BYTES)} bytes (413)`, [
    SIGN_IN,
    "a body beyond its bound is refused",
  ]),
];
