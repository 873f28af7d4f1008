/** The OpenID provider as an API knows it: asked when the first token comes; what keeps it from answering is in the log. */
import type { Clock } from "../../../core/clock.ts";
import type { OidcConfig } from "../../../core/config/oidc.ts";
import type { QueryScope } from "../../../core/store/database.ts";
import { recordSubject } from "../../../core/store/token-subjects.ts";
import type { Logger } from "../../../core/telemetry/log.ts";
import { createOidcSignIn, type OidcSignIn } from "../../console/oidc-sign-in.ts";
import { createIssuer } from "./issuer.ts";
import { createTokenCallers, type TokenCallers } from "./token-callers.ts";

export interface Oidc {
  tokens: TokenCallers;
  /** Undefined where nobody signs in to the console there. */
  signIn: OidcSignIn | undefined;
}

export interface OidcSurroundings {
  config: OidcConfig;
  store: QueryScope;
  clock: Clock;
  log: Logger;
}

export function openOidc({ config, store, clock, log }: OidcSurroundings): Oidc {
  const issuer = createIssuer({
    ...{ issuer: config.issuer, clock },
    onAway: (error) =>
      log.warn({ error }, "the OpenID provider was not read; asked again when a token comes"),
  });
  const tokens = createTokenCallers({
    ...{ config, issuer, clock },
    onSeen: ({ issuer, subject }) => {
      recordSubject(store, { issuer, subject }).catch((error: unknown) =>
        log.warn({ error }, "that a token was used was not recorded"),
      );
    },
  });
  const signIn =
    config.signIn &&
    createOidcSignIn({
      ...{ config: config.signIn, issuer },
      onFailed: (reason) => log.warn({ reason }, "somebody could not sign in to the console at the provider"),
    });
  return { tokens, signIn };
}
