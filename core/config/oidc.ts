/** The settings OIDC_… as one: whose tokens are taken besides keys, and what they open. */
import type { TokenMapping } from "../domain/token-grants.ts";
import { BellhopError } from "../errors.ts";
import type { SettingName, Settings } from "./settings.ts";

export const OIDC_SETTINGS = [
  "OIDC_ISSUER",
  "OIDC_AUDIENCE",
  "OIDC_GRANTS",
  "OIDC_NAMESPACE_CLAIM",
  "OIDC_SCOPES_CLAIM",
] as const satisfies SettingName[];
type OidcSetting = (typeof OIDC_SETTINGS)[number];

export interface OidcConfig {
  /** As its tokens name it. */
  issuer: string;
  /** A token is for one of these. */
  audiences: readonly string[];
  mapping: TokenMapping;
}

/** Undefined where tokens are not taken. Throws `invalid_setting` where something is missing, or set to no effect. */
export function toOidcConfig(settings: Pick<Settings, OidcSetting>): OidcConfig | undefined {
  const {
    OIDC_ISSUER: issuer,
    OIDC_AUDIENCE: audiences,
    OIDC_GRANTS: rules,
    OIDC_NAMESPACE_CLAIM: namespace,
    OIDC_SCOPES_CLAIM: scopes,
  } = settings;
  if (issuer === undefined) {
    const set = OIDC_SETTINGS.find((name) => name !== "OIDC_ISSUER" && isSet(settings[name]));
    if (set === undefined) return undefined;
    throw invalid(`${set} has no effect without OIDC_ISSUER: set that as well, or leave both out`);
  }
  if (audiences.length === 0)
    throw invalid(
      "OIDC_ISSUER needs OIDC_AUDIENCE: without it a token that was made for any other program would open Bellhop",
    );
  if ((namespace === undefined) !== (scopes === undefined))
    throw invalid(
      "OIDC_NAMESPACE_CLAIM and OIDC_SCOPES_CLAIM go together: set both, or neither and OIDC_GRANTS",
    );
  if (rules.length === 0 && namespace === undefined)
    throw invalid(
      "OIDC_ISSUER needs OIDC_GRANTS, or OIDC_NAMESPACE_CLAIM and OIDC_SCOPES_CLAIM: without them no token opens anything",
    );
  const ownClaims = namespace === undefined || scopes === undefined ? undefined : { namespace, scopes };
  return { issuer, audiences, mapping: { rules, ownClaims } };
}

const isSet = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined);

const invalid = (message: string) => new BellhopError("invalid_setting", 500, `${message}.`);
