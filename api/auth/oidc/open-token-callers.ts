/** Callers with tokens, as an API has them: asks the provider when the first one comes, and says in its log what keeps it. */
import type { Clock } from "../../../core/clock.ts";
import type { OidcConfig } from "../../../core/config/oidc.ts";
import type { QueryScope } from "../../../core/store/database.ts";
import { recordSubject } from "../../../core/store/token-subjects.ts";
import type { Logger } from "../../../core/telemetry/log.ts";
import { createIssuer } from "./issuer.ts";
import { createTokenCallers, type TokenCallers } from "./token-callers.ts";

export interface TokenCallersSurroundings {
  config: OidcConfig;
  store: QueryScope;
  clock: Clock;
  log: Logger;
}

export function openTokenCallers({ config, store, clock, log }: TokenCallersSurroundings): TokenCallers {
  const issuer = createIssuer({
    ...{ issuer: config.issuer, clock },
    onAway: (error) =>
      log.warn({ error }, "the OpenID provider was not read; asked again when a token comes"),
  });
  return createTokenCallers({
    ...{ config, issuer, clock },
    onSeen: ({ issuer, subject }) => {
      recordSubject(store, { issuer, subject }).catch((error: unknown) =>
        log.warn({ error }, "that a token was used was not recorded"),
      );
    },
  });
}
